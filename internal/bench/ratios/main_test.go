package main

import (
	"strings"
	"testing"
)

const input = `
goos: linux
BenchmarkRequest/bare-2     100  4000 ns/op   600 B/op  12 allocs/op
BenchmarkRequest/bare-2     100  5000 ns/op   600 B/op  12 allocs/op
BenchmarkRequest/bare-2     100  4400 ns/op   600 B/op  12 allocs/op
BenchmarkRequest/clstr-2    100  1100 ns/op   500 B/op  4 allocs/op
BenchmarkRequest/clstr-by-key-2 100 2200 ns/op
BenchmarkNotify/keys=1/bare-2   10  99999 ns/op  100 ns/msg
BenchmarkNotify/keys=1/clstr-2  10  99999 ns/op  200 ns/msg
BenchmarkNATSRequest/64B/callers=1/raw-2    10  100 ns/op  300 p99-ns
BenchmarkNATSRequest/64B/callers=1/clstr-2  10  105 ns/op  330 p99-ns
BenchmarkCycle              10  7000 ns/op
PASS
`

const output = `
                        benchmark|   unit| yardstick| clstr| time| rate| target|       |
                    Request/clstr|  ns/op|      4400|  1100| 0.25| 4.00|   0.33|    met|
             Request/clstr-by-key|  ns/op|      4400|  2200| 0.50| 2.00|       |       |
              Notify/keys=1/clstr| ns/msg|       100|   200| 2.00| 0.50|   1.67| missed|
NATSRequest/64B/callers=1/clstr|  ns/op|       100|   105| 1.05| 0.95|   1.11|    met|
NATSRequest/64B/callers=1/clstr| p99-ns|       300|   330| 1.10| 0.91|   1.20|    met|
                            Cycle|  ns/op|          |  7000|     |     |       |       |
`

func TestTable(t *testing.T) {
	var got strings.Builder
	if err := run(strings.NewReader(input), &got); err != nil {
		t.Fatal(err)
	}
	if squeeze(got.String()) != squeeze(output) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), output)
	}
}

// squeeze drops the padding.
func squeeze(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), " ", "") }

func TestNoBenchmarks(t *testing.T) {
	if err := run(strings.NewReader("PASS\n"), new(strings.Builder)); err == nil {
		t.Error("no error for an input without benchmarks")
	}
	if err := run(strings.NewReader("BenchmarkX 1 nonsense ns/op\n"), new(strings.Builder)); err == nil {
		t.Error("no error for a figure that is none")
	}
}
