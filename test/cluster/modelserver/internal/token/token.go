// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package token is the language of the stand-in: a token is four bytes of text, and answers are made of three-letter
// words. It needs no vocabulary files, counts about as real tokenizers do for English, and every token can be turned
// back into its text.
package token

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// ID is one token: its bytes, the first one lowest, above them their number.
type ID uint64

// Width is the number of bytes of a token.
const Width = 4

// Encode splits text into tokens; only the last one can be shorter than four bytes.
func Encode(text string) []ID {
	ids := make([]ID, 0, Count(text))
	for len(text) > 0 {
		piece := text[:min(Width, len(text))]
		text = text[len(piece):]
		id := ID(len(piece)) << (8 * Width)
		for i := range len(piece) {
			id |= ID(piece[i]) << (8 * i)
		}
		ids = append(ids, id)
	}
	return ids
}

// Count returns the number of tokens of a text.
func Count(text string) int { return (len(text) + Width - 1) / Width }

const errNoToken = vocabularyError("not a token of this vocabulary")

type vocabularyError string

func (e vocabularyError) Error() string { return string(e) }

// Decode returns the text of tokens.
func Decode(ids []ID) (string, error) {
	var text strings.Builder
	for _, id := range ids {
		n := id >> (8 * Width)
		if n < 1 || n > Width {
			return "", fmt.Errorf("token %d: %w", id, errNoToken)
		}
		for i := range n {
			text.WriteByte(byte(id >> (8 * i)))
		}
	}
	return text.String(), nil
}

const words = "act add age air all and any arm art ask bag bed big bit box boy bus buy can car cat cow cry cup cut day " +
	"dog dry ear eat egg end eye far few fit fly fox fun get gap gas hat hen ice ink job joy key kid law leg log low " +
	"map men mix new nut oak oil old one our out owl own pan pay pen pig pot put ran red row run sad saw sea see set " +
	"she sit six sky son sun tea ten the tie tin top toy two use van war way web win yes you zoo"

// Answer is a text that depends only on what it is the answer to. It is a stand-in for what a model would say.
type Answer struct {
	random *rand.Rand
	words  []string
	// Length is the number of tokens after which the answer ends by itself.
	Length int
}

// The shortest and the longest answer, in tokens.
const (
	shortest = 16
	longest  = 64
)

// NewAnswer returns the answer to a prompt; different seeds give different answers to the same prompt.
func NewAnswer(prompt string, seed uint64) *Answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(prompt)) // a hash never fails
	a := &Answer{random: rand.New(rand.NewPCG(h.Sum64(), seed)), words: strings.Fields(words)}
	a.Length = shortest + a.random.IntN(longest-shortest+1)
	return a
}

// Next returns the text of the next token: a blank and a word.
func (a *Answer) Next() string { return " " + a.words[a.random.IntN(len(a.words))] }
