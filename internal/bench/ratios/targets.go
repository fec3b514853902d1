// What the figures are to be

package main

import (
	"fmt"
	"path"
	"strings"
)

// target is what a ratio must keep: time (lower is better) at most most.
type target struct {
	name, unit string // name is a pattern of the row's, or a prefix of it
	most       float64
}

// targets are in time or memory, of the yardstick's; a rate of r is a time of
// 1/r.
var targets = []target{
	{"Request/*/clstr", "ns/op", 1 / 2.2},
	{"Request/*/clstr-json", "ns/op", 1 / 2.0},
	{"Request/*/clstr-proto", "ns/op", 1 / 2.0},
	{"RequestParallel/*/*/clstr", "ns/op", 1 / 2.0},
	{"RequestParallel/*/*/clstr-json", "ns/op", 1 / 1.9},
	{"RequestParallel/*/*/clstr-proto", "ns/op", 1 / 1.9},
	{"Nested/*/clstr", "ns/op", 1 / 2.1},
	{"Nested/*/clstr-json", "ns/op", 1 / 2.0},
	{"Nested/*/clstr-proto", "ns/op", 1 / 2.0},
	{"Notify/*/*/*/*", "ns/msg", 1},
	{"Activate/*/clstr", "ns/op", 1},
	{"Activate/*/clstr-json", "ns/op", 1 / 0.9},
	{"Activate/*/clstr-proto", "ns/op", 1 / 0.9},
	{"IdleKey/", "B/key", 1.3},
	{"NATSRequest/*/callers=1/clstr", "ns/op", 1 / 0.95},
	{"NATSRequest/*/callers=1/clstr", "p99-ns", 1.1},
	{"NATSRequest/*/callers=64/clstr", "ns/op", 1 / 1.5},
	{"NATSRequest/*/callers=256/clstr", "ns/op", 1 / 2.0},
	{"NATSRequest/64B/callers=1/clstr-json", "ns/op", 1 / 0.85},
	{"NATSRequest/64B/callers=1/clstr-json", "p99-ns", 1.15},
	{"NATSRequest/64B/callers=64/clstr-json", "ns/op", 1 / 1.2},
	{"NATSRequest/64B/callers=256/clstr-json", "ns/op", 1 / 1.6},
	{"NATSRequest/*/callers=1/clstr-cbor", "ns/op", 1 / 0.85},
	{"NATSRequest/*/callers=1/clstr-proto", "ns/op", 1 / 0.85},
	{"NATSRequest/*/callers=1/clstr-cbor", "p99-ns", 1.15},
	{"NATSRequest/*/callers=1/clstr-proto", "p99-ns", 1.15},
	{"NATSRequest/*/callers=64/clstr-cbor", "ns/op", 1 / 1.2},
	{"NATSRequest/*/callers=64/clstr-proto", "ns/op", 1 / 1.2},
	{"NATSRequest/*/callers=256/clstr-cbor", "ns/op", 1 / 1.6},
	{"NATSRequest/*/callers=256/clstr-proto", "ns/op", 1 / 1.6},
	{"NATSNotify/*/clstr", "ns/msg", 1 / 0.8},
	{"NATSNotify/64B/clstr-json", "ns/msg", 1 / 0.7},
	{"NATSNotify/*/clstr-cbor", "ns/msg", 1 / 0.7},
	{"NATSNotify/*/clstr-proto", "ns/msg", 1 / 0.7},
	{"NATSNotify/*/clstr-acked", "ns/msg", 1 / 0.6},
	{"NATSNotify/64B/clstr-json-acked", "ns/msg", 1 / 0.5},
	{"NATSNotify/*/clstr-proto-acked", "ns/msg", 1 / 0.5},
	{"NATSNodes/", "ns/op", 1 / 0.85},
	{"OwnershipRequest/", "ns/op", 1.03},
	{"DurableRequest/unchanged", "ns/op", 1.5},
	{"DurableRequest/query", "ns/op", 1.1},
	{"DurableKey/", "ns/op", 1 / 5.0},
	{"DurableIdleKey/", "B/key", 1.13},
	{"DurableNATS/R1/callers=1/", "ns/op", 1.35},
	{"DurableNATS/R3/callers=1/", "ns/op", 1.15},
	{"DurableNATS/R1/callers=64/", "ns/op", 1 / 0.75},
	{"DurableNATS/R3/callers=64/", "ns/op", 1 / 1.1},
	{"DurableNATSKey/", "ns/op", 1 / 5.0},
	{"DurableNATSLoad/", "ns/op", 2.2},
}

// bound is a target that is no ratio.
type bound struct {
	name, unit string // name is a pattern of the row's
	most       float64
	above      bool   // at most so much more than the yardstick
	with       string // another unit of the same row, whose figure counts too
}

var bounds = []bound{
	{name: "OpenShards/*", unit: "ns/op", most: 1e9, above: true},
	{name: "InFlight", unit: "B/commit", most: 400, with: "B/change"},
	{name: "PlannedMove", unit: "max-pause-ms", most: 50},
	{name: "ColdStart", unit: "ms", most: 3000},
	{name: "Restart", unit: "max-restart-ms", most: 1000},
}

// judge says what the target of a row is, and whether the figure keeps it. Both are empty for a row without
// one. base is the yardstick's figure, 0 if there is none.
func (res *results) judge(k row, mine, base float64) (goal, verdict string) {
	is, most := 0.0, 0.0
	for _, t := range bounds {
		if whole, _ := path.Match(t.name, k.name); !whole || t.unit != k.unit {
			continue
		}
		switch is, most, goal = mine, t.most, short(t.most); {
		case t.above && base == 0:
			return "", ""
		case t.above:
			is, goal = mine-base, "+"+goal
		case t.with != "":
			f := res.figures[row{k.name, t.with}]
			if f == nil {
				return "", ""
			}
			is, goal = mine+median(f), goal+" with "+t.with
		}
	}
	if t, ok := targetOf(k); ok && base > 0 {
		is, most, goal = mine/base, t.most, fmt.Sprintf("%.2f", t.most)
	}
	switch {
	case goal == "":
		return "", ""
	case is > most:
		return goal, "missed"
	}
	return goal, "met"
}

// targetOf finds the target of a row named "clstr" by a prefix, of any other by its whole name or pattern.
func targetOf(k row) (target, bool) {
	_, last := split(k.name)
	for _, t := range targets {
		whole, _ := path.Match(t.name, k.name)
		if t.unit == k.unit && (whole || last == "clstr" && strings.HasPrefix(k.name, t.name)) {
			return t, true
		}
	}
	return target{}, false
}
