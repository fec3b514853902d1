// Runs all mutants

// Command all runs all mutants of package mutants, or those that its arguments name.
//
//	go run ./internal/mutants/all replyEarly
//
// It fails if a mutant lives, and if a test hangs or does not compile.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/mutants"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, names []string, out io.Writer) error {
	for _, name := range names {
		if !slices.ContainsFunc(mutants.Table, func(m mutants.Mutant) bool { return m.Name == name }) {
			return fmt.Errorf("no mutant %q", name)
		}
	}
	var errs []error
	for _, m := range mutants.Table {
		if _, err := m.Edited(root); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	caught := 0
	places := make(chan struct{}, max(1, runtime.NumCPU()))
	for _, m := range mutants.Table {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		places <- struct{}{}
		wg.Go(func() { // ends with its go test, which ctx ends
			defer func() { <-places }()
			start := time.Now()
			err := m.Dies(ctx, root)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			caught++
			fmt.Fprintf(out, "%-20s caught by %s %s (%.1fs)\n", m.Name, m.Pkg, m.Test, time.Since(start).Seconds())
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	fmt.Fprintf(out, "%d mutants, all caught, in %.0fs\n", caught, time.Since(began).Seconds())
	return nil
}
