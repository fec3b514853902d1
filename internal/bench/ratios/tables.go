// The tables that docs/performance.md begins with

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// work is a line of the tables. name makes a row's name of a size and a form.
type work struct {
	says string
	name func(size, form string) string
	unit string
	peer string // the fastest of the libraries for Go that were measured beside it, as a rate
}

// named makes names that end with size and form.
func named(prefix string) func(size, form string) string {
	return func(size, form string) string { return prefix + "/" + size + "/" + form }
}

var works = []work{
	{"request, one caller, one key", named("Request"), "ns/op", "goakt 2.00 / 1.61"},
	{"request, 64 callers, 10,000 keys", named("RequestParallel/keys=10000"), "ns/op", "ergo 1.83 / 1.53"},
	{"request, 64 callers, zipf", named("RequestParallel/zipf"), "ns/op", "ergo 1.77"},
	{"request, 64 callers, one key", named("RequestParallel/keys=1"), "ns/op", "ergo 1.60"},
	{"each key asks another, 1,000 callers", named("Nested"), "ns/op", "ergo 2.00"},
	{"tell, one sender, 10,000 keys", named("Notify/keys=10000/callers=1"), "ns/msg", "goakt 1.54"},
	{"tell, 64 senders, 10,000 keys", named("Notify/keys=10000/callers=64"), "ns/msg", "bare 1.00"},
	{"tell, one sender, one key", named("Notify/keys=1/callers=1"), "ns/msg", "goakt 3.31"},
	{"first request of a key", named("Activate"), "ns/op", "bare 1.00"},
	{"NATS: request, one caller", inOrder("NATSRequest/%s/callers=1/%s"), "ns/op", "own sockets: goakt 2.04 / 1.68"},
	{"NATS: request, 64 callers", inOrder("NATSRequest/%s/callers=64/%s"), "ns/op", "raw 1.00, ergo 0.72"},
	{"NATS: request, 256 callers", inOrder("NATSRequest/%s/callers=256/%s"), "ns/op", "raw 1.00, ergo 0.66"},
	{"NATS: request to a key of the caller's process, one caller", inOrder("NATSHere/%s/callers=1/%s"), "ns/op", ""},
	{"NATS: the same, 64 callers", inOrder("NATSHere/%s/callers=64/%s"), "ns/op", ""},
	{"NATS: tell without an ack, one sender", named("NATSNotify"), "ns/msg", "own sockets: ergo 0.33"},
	{"NATS: `NotifyAsync`, one sender", inOrder("NATSNotify/%s/%s-acked"), "ns/msg", ""},
	{"NATS: three nodes, of the rate of one", ofThree, "ns/op", ""},
}

func inOrder(format string) func(size, form string) string {
	return func(size, form string) string { return fmt.Sprintf(format, size, form) }
}

// ofThree names the rows of three nodes: there the yardstick of a form is the same form.
func ofThree(size, form string) string {
	return "NATSNodes/" + size + "/" + map[string]string{"clstr-json": "json", "clstr-proto": "proto", "clstr": "bytes"}[form] + "/clstr"
}

var (
	formNames = []string{"clstr-json", "clstr-proto", "clstr-cbor", "clstr"}
	sizeNames = []string{"64B", "1024B"}
)

// page is results for docs/performance.md.
type page struct{ *results }

// print prints the rates of each form beside the yardstick's and the targets, and then the processor time of
// each. A line without any figure in the input is left out, and is a problem.
func (res page) print(w io.Writer) {
	fmt.Fprintln(w, "| rate, 64 B / 1 KiB | JSON | protobuf | CBOR | raw bytes | asked of 64 B: typed, raw | best peer |\n|---|---:|---:|---:|---:|---:|---|")
	for _, k := range works {
		rates := k.cells(func(form, size string) string {
			r := row{k.name(size, form), k.unit}
			base, ok := res.yardstick(r)
			if !ok || res.figures[r] == nil {
				return ""
			}
			return decimals(base / median(res.figures[r]))
		})
		if rates == nil {
			res.problem("no figures for %q", k.says)
			continue
		}
		var asked []string
		for _, form := range []string{"clstr-proto", "clstr"} {
			if t, ok := targetOf(row{k.name(sizeNames[0], form), k.unit}); ok {
				asked = append(asked, decimals(1/t.most))
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", k.says, strings.Join(rates, " | "), strings.Join(asked, ", "), k.peer)
	}
	fmt.Fprintf(w, "\n%s\n", whyEmpty)
	fmt.Fprintln(w, "\n| processor time, us, 64 B / 1 KiB | JSON | protobuf | CBOR | raw bytes | yardstick |\n|---|---:|---:|---:|---:|---:|")
	for _, k := range works {
		spent := k.cells(func(form, size string) string {
			if f := res.figures[row{k.name(size, form), cpu}]; f != nil {
				return short(median(f))
			}
			return ""
		})
		if spent == nil {
			continue
		}
		yardstick := joined(func(size string) string {
			if base, ok := res.yardstick(row{k.name(size, "clstr"), cpu}); ok {
				return short(base)
			}
			return ""
		})
		fmt.Fprintf(w, "| %s | %s | %s |\n", k.says, strings.Join(spent, " | "), yardstick)
	}
}

const cpu = "cpu-us/op"

// whyEmpty explains the column of CBOR.
const whyEmpty = "In process only the first line has CBOR: such a message is encoded there, where JSON and protobuf messages are copied. " +
	"What that costs is the same in each line."

// cells are those of the forms, nil if all are empty.
func (k work) cells(figure func(form, size string) string) []string {
	cells, empty := make([]string, len(formNames)), true
	for i, form := range formNames {
		cells[i] = joined(func(size string) string { return figure(form, size) })
		empty = empty && cells[i] == ""
	}
	if empty {
		return nil
	}
	return cells
}

// joined are the figures of the sizes that have one.
func joined(figure func(size string) string) string {
	var figures []string
	for _, size := range sizeNames {
		if f := figure(size); f != "" {
			figures = append(figures, f)
		}
	}
	return strings.Join(figures, " / ")
}

func decimals(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
