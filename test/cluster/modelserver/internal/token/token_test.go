// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "four", "fives", "zwölf Boxkämpfer", "\x00\x00\x00\x00\x00", "日本語"} {
		ids := Encode(text)
		if len(ids) != Count(text) {
			t.Errorf("%q: %d tokens, counted %d", text, len(ids), Count(text))
		}
		got, err := Decode(ids)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text, got); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
	}
}

func TestDecodeRefusesForeignTokens(t *testing.T) {
	t.Parallel()
	for _, id := range []ID{0, 17, 5 << 32} {
		if text, err := Decode([]ID{id}); err == nil {
			t.Errorf("token %d became %q", id, text)
		}
	}
}

func answer(prompt string, seed uint64) string {
	a := NewAnswer(prompt, seed)
	var text strings.Builder
	for range a.Length {
		text.WriteString(a.Next())
	}
	return text.String()
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	first := answer("hello", 0)
	if diff := cmp.Diff(first, answer("hello", 0)); diff != "" {
		t.Errorf("the same prompt has two answers:\n%s", diff)
	}
	if first == answer("hello", 1) || first == answer("hullo", 0) {
		t.Error("seed and prompt must make a difference")
	}
}

// usage.completion_tokens must agree with what /tokenize says about the answer.
func TestEveryWordIsOneToken(t *testing.T) {
	t.Parallel()
	for word := range strings.FieldsSeq(words) {
		if Count(" "+word) != 1 {
			t.Errorf("%q is more than one token", word)
		}
	}
}
