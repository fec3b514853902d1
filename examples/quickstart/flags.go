package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const help = `Hosts keys on nodes around a NATS server, all in this process, sends them
requests, and shows who served what and how fast.

Examples:
  go run ./examples/quickstart
  go run ./examples/quickstart -nodes 5 -keys 20000 -requests 200000
  go run ./examples/quickstart --json

Flags:
`

// run returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v (-h shows the flags)\n", err)
		return 2
	}
	r, err := measure(ctx, o, stderr)
	if err == nil {
		err = errors.Join(r.print(stdout, o.json), r.failure)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// options are the flags.
type options struct {
	Nodes, Shards, Keys, Requests, Callers int
	json                                   bool
}

// parse reads the flags; asked for help, it prints it.
func parse(args []string, stdout io.Writer) (o options, err error) {
	numbers := []struct {
		to             *int
		name           string
		standard, most int
		what           string
	}{
		{&o.Nodes, "nodes", 3, 100, "nodes, each with a connection of its own"},
		{&o.Shards, "shards", 64, 4096, "shards that the nodes share out"},
		{&o.Keys, "keys", 1000, 1_000_000, "keys, each an actor of its own"},
		{&o.Requests, "requests", 10_000, 2_000_000, "requests, to key after key"},
		{&o.Callers, "callers", 64, 10_000, "callers, each of which waits for its reply"},
	}
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	for _, n := range numbers {
		f.IntVar(n.to, n.name, n.standard, n.what)
	}
	f.BoolVar(&o.json, "json", false, "print JSON in place of the table")
	if err = f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		f.SetOutput(stdout)
		f.PrintDefaults()
	}
	if err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	for _, n := range numbers {
		if *n.to < 1 || *n.to > n.most {
			return o, fmt.Errorf("-%s %d: 1 to %d allowed", n.name, *n.to, n.most)
		}
	}
	return o, nil
}

func (o options) nodeIDs() []string {
	ids := make([]string, o.Nodes)
	for i := range ids {
		ids[i] = fmt.Sprintf("node-%d", i+1)
	}
	return ids
}

// progress is for people who watch.
func (o options) progress(stderr io.Writer, format string, args ...any) {
	f, ok := stderr.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(f, format, args...)
	}
}
