// Benchmarks in, a table of ratios to their yardsticks out

// Command ratios reads the output of benchmarks that stand beside a yardstick
// and prints a table of what one costs in the other's terms.
//
//	go test -run '^$' -bench . -count 5 ./cluster | go run ./internal/bench/ratios
//	go run ./internal/bench/ratios -page < .bench/out
//
// Rows whose last element is "bare" (protoactor alone), "pooled" (the same with goroutines that
// stay), "raw" (nats.go alone), "fixed" (a
// node with a fixed list of shards), "plain" (an entity that is not durable), "waits" (turns
// that wait for the store), "none" (a start without a store) or "alone" (one node where there are three
// beside it) are the yardsticks of those beside them. Each figure is the median of the
// counts of one run, because only ratios within one run mean anything. A few targets are no ratios: what
// something takes at most, or at most more than its yardstick. It fails,
// after the table, where a row named "clstr" or a yardstick has no counterpart,
// and where the input says that a benchmark has failed.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	forPage := flag.Bool("page", false, "print the tables that docs/performance.md begins with, and nothing else")
	flag.Parse()
	do := run
	if *forPage {
		do = runPage
	}
	if err := do(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

// yardsticks are the last elements of what others are compared with: the fastest of those beside them.
var yardsticks = []string{"bare", "pooled", "raw", "fixed", "plain", "waits", "none", "alone"}

// shown are the units that have a column's worth of meaning.
var shown = []string{"ns/op", "ns/msg", "cpu-us/op", "B/key", "B/commit", "B/change", "p99-ns",
	"p50-pause-ms", "max-pause-ms", "ms", "p50-restart-ms", "max-restart-ms"}

type row struct{ name, unit string }

var line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// failure is what go test says of a run that is not whole.
var failure = regexp.MustCompile(`^(\s*--- FAIL: |FAIL\b|panic: )`)

// results are the figures by row, and the rows in the order of first appearance.
type results struct {
	order   []row
	figures map[row][]float64
	// problems are what the table cannot show.
	problems []error
}

func parse(r io.Reader) (*results, error) {
	res := &results{figures: map[row][]float64{}}
	in := bufio.NewScanner(r)
	for in.Scan() {
		m := line.FindStringSubmatch(in.Text())
		if m == nil {
			if failure.MatchString(in.Text()) {
				res.problems = append(res.problems, errors.New(in.Text()))
			}
			continue
		}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", in.Text(), err)
			}
			k := row{m[1], fields[i+1]}
			if res.figures[k] == nil {
				res.order = append(res.order, k)
			}
			res.figures[k] = append(res.figures[k], v)
		}
	}
	if len(res.order) == 0 {
		return nil, errors.Join(append(res.problems, errors.New("no benchmark in the input"), in.Err())...)
	}
	return res, in.Err()
}

// runPage prints the tables of the page.
func runPage(r io.Reader, w io.Writer) error {
	res, err := parse(r)
	if err != nil {
		return err
	}
	page{res}.print(w)
	return errors.Join(res.problems...)
}

func run(r io.Reader, w io.Writer) error {
	res, err := parse(r)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintln(out, "benchmark\tunit\tyardstick\tclstr\ttime\trate\ttarget\t\t")
	for _, k := range res.order {
		if !slices.Contains(shown, k.unit) {
			continue
		}
		if isYardstick(k.name) {
			if !res.measures(k) {
				res.problem("%s measures nothing in %s", k.name, k.unit)
			}
			continue
		}
		if k.unit == "ns/op" && res.hasUnit(k.name, "ns/msg", "B/key", "B/commit", "B/change", "max-pause-ms", "ms", "max-restart-ms") {
			continue // it is of a whole window, or of the set-up too
		}
		mine := median(res.figures[k])
		base, ok := res.yardstick(k)
		if !ok && isOurs(k.name) {
			res.problem("%s has no yardstick in %s", k.name, k.unit)
		}
		goal, verdict := res.judge(k, mine, base)
		if !ok {
			fmt.Fprintf(out, "%s\t%s\t\t%s\t\t\t%s\t%s\t\n", k.name, k.unit, short(mine), goal, verdict)
			continue
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%.2f\t%.2f\t%s\t%s\t\n", k.name, k.unit, short(base), short(mine), mine/base, base/mine, goal, verdict)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return errors.Join(res.problems...)
}

func (res *results) problem(format string, args ...any) {
	res.problems = append(res.problems, fmt.Errorf(format, args...))
}

func split(name string) (parent, last string) {
	i := strings.LastIndexByte(name, '/')
	return name[:i+1], name[i+1:]
}

func isYardstick(name string) bool {
	_, last := split(name)
	return slices.Contains(yardsticks, last)
}

// isOurs reports whether a row is nothing without a yardstick: clstr, or a
// variant, as in clstr-by-key.
func isOurs(name string) bool {
	_, last := split(name)
	return last == "clstr" || strings.HasPrefix(last, "clstr-")
}

// yardstick finds the lowest median of the yardsticks beside a row.
func (res *results) yardstick(k row) (best float64, ok bool) {
	parent, _ := split(k.name)
	for _, last := range yardsticks {
		if f := res.figures[row{parent + last, k.unit}]; f != nil && (!ok || median(f) < best) {
			best, ok = median(f), true
		}
	}
	return best, ok
}

// measures reports whether a row stands beside a yardstick.
func (res *results) measures(yardstick row) bool {
	parent, _ := split(yardstick.name)
	return slices.ContainsFunc(res.order, func(k row) bool {
		at, _ := split(k.name)
		return at == parent && k.unit == yardstick.unit && !isYardstick(k.name)
	})
}

func (res *results) hasUnit(name string, units ...string) bool {
	return slices.ContainsFunc(units, func(u string) bool { return res.figures[row{name, u}] != nil })
}

func median(f []float64) float64 {
	s := slices.SortedFunc(slices.Values(f), cmp.Compare)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func short(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
