// Ranges, percentiles, durations

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// short is the part of an incarnation that people compare.
func short(incarnation string) string {
	if len(incarnation) > 8 {
		return incarnation[:8]
	}
	return incarnation
}

func shortRef(r record.Ref) string {
	if r.IsZero() {
		return ""
	}
	return r.Name + "." + short(r.Incarnation)
}

func number[N int | int64 | uint32 | uint64](n N) string { return fmt.Sprint(n) }

func weight(w float64) string { return strconv.FormatFloat(w, 'g', -1, 64) }

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// ranges writes ascending numbers as 1-3,7.
func ranges(ids []uint32) string {
	var b strings.Builder
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, ids[i])
		if j > i {
			fmt.Fprintf(&b, "-%d", ids[j])
		}
		i = j + 1
	}
	return b.String()
}

// took rounds a duration for people to read.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// pauses sums up many pauses.
type pauses struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// summary sums up pauses. It is nil if there are none.
func summary(all []time.Duration) *pauses {
	if len(all) == 0 {
		return nil
	}
	s := slices.Sorted(slices.Values(all))
	at := func(p float64) float64 { return ms(s[int(math.Ceil(p*float64(len(s))))-1]) }
	return &pauses{at(0.5), at(0.99), ms(s[len(s)-1])}
}

func (p *pauses) String() string {
	return fmt.Sprintf("p50 %v ms, p99 %v ms, longest %v ms", p.P50, p.P99, p.Max)
}

func sortedSet(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
