// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Metrics are the series of a scrape, by name and labels as they are written.
type Metrics map[string]float64

// Sum adds up all series of a metric whose labels contain the given ones, each written as name="value".
func (m Metrics) Sum(metric string, labels ...string) float64 {
	sum := 0.0
	for series, value := range m {
		if name, set, _ := strings.Cut(series, "{"); name == metric && containsAll(set, labels) {
			sum += value
		}
	}
	return sum
}

func containsAll(set string, labels []string) bool {
	return !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(set, l) })
}

// Quantile is the upper bound of the bucket that holds quantile q of a histogram; 0 if it is empty.
func (m Metrics) Quantile(histogram string, q float64, labels ...string) float64 {
	type bucket struct{ bound, count float64 }
	var buckets []bucket
	for series, count := range m {
		name, set, _ := strings.Cut(series, "{")
		if name != histogram+"_bucket" || !containsAll(set, labels) {
			continue
		}
		_, rest, _ := strings.Cut(set, `le="`)
		text, _, _ := strings.Cut(rest, `"`)
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil {
			bound = math.Inf(1)
		}
		buckets = append(buckets, bucket{bound, count})
	}
	slices.SortFunc(buckets, func(a, b bucket) int { return int(math.Copysign(1, a.bound-b.bound)) })
	for _, b := range buckets {
		if total := buckets[len(buckets)-1].count; total > 0 && b.count >= q*total {
			return b.bound
		}
	}
	return 0
}

// scrape reads the Prometheus text format.
func scrape(ctx context.Context, url string) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	// Packing the answer would show in what is measured.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scraping %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	return parse(response.Body)
}

func parse(in io.Reader) (Metrics, error) {
	m := Metrics{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("reading metric %q: %w", line, err)
		}
		m[line[:at]] = value
	}
	return m, lines.Err()
}
