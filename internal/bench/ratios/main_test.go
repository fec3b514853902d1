package main

import (
	"os"
	"strings"
	"testing"
)

const input = `
goos: linux
BenchmarkRequest/64B/bare-2     100  4000 ns/op  3.1 cpu-us/op  600 B/op  12 allocs/op
BenchmarkRequest/64B/bare-2     100  5000 ns/op  3.2 cpu-us/op  600 B/op  12 allocs/op
BenchmarkRequest/64B/bare-2     100  4400 ns/op  3.0 cpu-us/op  600 B/op  12 allocs/op
BenchmarkRequest/64B/pooled-2   100  4900 ns/op  2.0 cpu-us/op  600 B/op  12 allocs/op
BenchmarkRequest/64B/clstr-2    100  1100 ns/op  1.0 cpu-us/op  500 B/op  4 allocs/op
BenchmarkRequest/64B/clstr-json-2   100 4400 ns/op
BenchmarkRequest/64B/clstr-by-key-2 100 2200 ns/op
BenchmarkNotify/keys=1/callers=1/64B/bare-2    10  99999 ns/op  100 ns/msg
BenchmarkNotify/keys=1/callers=1/64B/pooled-2  10  99999 ns/op   80 ns/msg
BenchmarkNotify/keys=1/callers=1/64B/clstr-2   10  99999 ns/op  200 ns/msg
BenchmarkNATSRequest/64B/callers=1/raw-2    10  100 ns/op  300 p99-ns
BenchmarkNATSRequest/64B/callers=1/clstr-2  10  105 ns/op  330 p99-ns
BenchmarkOwnershipRequest/callers=1/fixed-2  10  1000 ns/op
BenchmarkOwnershipRequest/callers=1/clstr-2  10  1020 ns/op
BenchmarkDurableRequest/plain-2      10  1000 ns/op
BenchmarkDurableRequest/unchanged-2  10  1400 ns/op
BenchmarkDurableRequest/stored-2     10  3000 ns/op
BenchmarkOpenShards/none-2       10  2000000 ns/op
BenchmarkOpenShards/memstate-2   10  9000000 ns/op
BenchmarkOpenShards/natsstate-2  10  1003000000 ns/op
BenchmarkInFlight-2  1  5000 ns/op  376 B/commit
BenchmarkInFlight-2  1  5000 ns/op  158 B/change
BenchmarkPlannedMove-2  1  5000 ns/op  9.5 p50-pause-ms  50 max-pause-ms
BenchmarkNATSNodes/64B/json/alone-2  10  100 ns/op
BenchmarkNATSNodes/64B/json/clstr-2  10  125 ns/op
BenchmarkCycle              10  7000 ns/op
PASS
`

const output = `
                        benchmark|   unit| yardstick| clstr| time| rate| target|       |
                Request/64B/clstr|  ns/op|      4400|  1100| 0.25| 4.00|   0.45|    met|
                Request/64B/clstr|  cpu-us/op|    2.0|   1.0| 0.50| 2.00|       |       |
           Request/64B/clstr-json|  ns/op|      4400|  4400| 1.00| 1.00|   0.50| missed|
         Request/64B/clstr-by-key|  ns/op|      4400|  2200| 0.50| 2.00|       |       |
Notify/keys=1/callers=1/64B/clstr| ns/msg|      80.0|   200| 2.50| 0.40|   1.00| missed|
NATSRequest/64B/callers=1/clstr|  ns/op|       100|   105| 1.05| 0.95|   1.05|    met|
NATSRequest/64B/callers=1/clstr| p99-ns|       300|   330| 1.10| 0.91|   1.10|    met|
OwnershipRequest/callers=1/clstr|  ns/op|      1000|  1020| 1.02| 0.98|   1.03|    met|
         DurableRequest/unchanged|  ns/op|      1000|  1400| 1.40| 0.71|   1.50|    met|
            DurableRequest/stored|  ns/op|      1000|  3000| 3.00| 0.33|       |       |
              OpenShards/memstate|  ns/op|  2000000|  9000000| 4.50| 0.22| +1000000000| met|
             OpenShards/natsstate|  ns/op|  2000000|  1003000000| 501.50| 0.00| +1000000000| missed|
                         InFlight|  B/commit| | 376| | | 400 with B/change| missed|
                         InFlight|  B/change| | 158| | |    |       |
                      PlannedMove|  p50-pause-ms| | 9.5| | | |    |
                      PlannedMove|  max-pause-ms| | 50.0| | | 50.0| met|
             NATSNodes/64B/json/clstr|  ns/op|    100|   125| 1.25| 0.80|   1.18| missed|
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

// TestPage: the rates of both sizes share a cell, three nodes stand beside one of the same form, and a line
// without figures is told.
func TestPage(t *testing.T) {
	const more = `
BenchmarkRequest/1024B/bare-2        100 3000 ns/op  3.0 cpu-us/op
BenchmarkRequest/1024B/clstr-json-2  100 4000 ns/op  4.4 cpu-us/op
BenchmarkNATSNodes/64B/bytes/alone-2 10  300 ns/op
BenchmarkNATSNodes/64B/bytes/clstr-2 10  400 ns/op
`
	for _, want := range []string{
		"| request, one caller, one key | 1.00 / 0.75 |  |  | 4.00 | 2.00, 2.20 | goakt 2.00 / 1.61 |\n",
		"\nIn process only the first line has CBOR: ",
		"| request, one caller, one key | 4.4 |  |  | 1.0 | 2.0 / 3.0 |\n",
		"| NATS: request, one caller |  |  |  | 0.95 | 0.85, 0.95 | own sockets: goakt 2.04 / 1.68 |\n",
		"| NATS: three nodes, of the rate of one | 0.80 |  |  | 0.75 | 0.85, 0.85 |  |\n",
	} {
		var got strings.Builder
		err := runPage(strings.NewReader(input+more), &got)
		if !strings.Contains(got.String(), want) {
			t.Errorf("the page has no line\n%s\nbut\n%s", want, &got)
		}
		if err == nil || !strings.Contains(err.Error(), `no figures for "first request of a key"`) || strings.Contains(err.Error(), `no figures for "request, one caller, one key"`) {
			t.Errorf("it is told that %v", err)
		}
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

// What stands without the other half of its ratio, or comes from a run that has
// failed, is an error, after the table of what there is.
func TestHalves(t *testing.T) {
	for name, c := range map[string]struct{ input, want string }{
		"no yardstick":          {"BenchmarkRequest/clstr-2 1 5 ns/op\n", "Request/clstr has no yardstick in ns/op"},
		"a variant has none":    {"BenchmarkRequest/clstr-by-key-2 1 5 ns/op\n", "Request/clstr-by-key has no yardstick in ns/op"},
		"not in that unit":      {"BenchmarkX/raw 1 5 ns/op\nBenchmarkX/clstr 1 5 ns/op 9 p99-ns\n", "X/clstr has no yardstick in p99-ns"},
		"a yardstick alone":     {"BenchmarkX/raw 1 5 ns/op\nBenchmarkY 1 5 ns/op\n", "X/raw measures nothing in ns/op"},
		"a benchmark failed":    {"BenchmarkY 1 5 ns/op\n--- FAIL: BenchmarkX\nFAIL\n", "--- FAIL: BenchmarkX"},
		"a package does not go": {"BenchmarkY 1 5 ns/op\nFAIL\texample.org/x [build failed]\n", "[build failed]"},
	} {
		var got strings.Builder
		if err := run(strings.NewReader(c.input), &got); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
		if !strings.Contains(got.String(), "yardstick") {
			t.Errorf("%s: no table: %q", name, &got)
		}
	}
}

// A benchmark that fails must fail make bench, through the pipe to tee.
func TestMakeBenchSeesFailures(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(makefile); strings.Contains(text, "| tee") && !strings.Contains(text, "\n.SHELLFLAGS := -o pipefail -c\n") {
		t.Error("Makefile: a pipe to tee without pipefail")
	}
}
