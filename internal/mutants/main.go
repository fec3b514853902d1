// Breaks the rules of durable entities one by one in the source; a test must notice each

// Command mutants breaks the code of durable entities, one rule at a time, and runs the test that
// guards the rule. The test must fail. The files themselves stay as they are: each break is
// an overlay of go test.
//
//	go run ./internal/mutants                # all of them, as make mutants does
//	go run ./internal/mutants replyEarly     # one, by its name
//
// It fails if a mutant lives, if a test hangs or does not compile, and if the text that a mutant
// replaces is no longer there: then find the rule's new place, and mend the table.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// mutant is one rule that is broken.
type mutant struct {
	name string
	what string // what the code does wrong then
	file string // from the root of the module
	old  string // stands in the file once
	new  string
	pkg  string // whose test must fail
	test string
}

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
		if !slices.ContainsFunc(table, func(m mutant) bool { return m.name == name }) {
			return fmt.Errorf("no mutant %q", name)
		}
	}
	var errs []error
	for _, m := range table {
		if _, err := m.edited(root); err != nil {
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
	for _, m := range table {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		places <- struct{}{}
		wg.Go(func() { // ends with its go test, which ctx ends
			defer func() { <-places }()
			start := time.Now()
			err := m.dies(ctx, root)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			caught++
			fmt.Fprintf(out, "%-20s caught by %s %s (%.1fs)\n", m.name, m.pkg, m.test, time.Since(start).Seconds())
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	fmt.Fprintf(out, "%d mutants, all caught, in %.0fs\n", caught, time.Since(began).Seconds())
	return nil
}

// edited returns the file as the mutant has it.
func (m mutant) edited(root string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return nil, fmt.Errorf("mutant %s: %w", m.name, err)
	}
	if n := strings.Count(string(b), m.old); n != 1 || m.old == m.new {
		return nil, fmt.Errorf("mutant %s: %s has the text that it replaces %d times, want once:\n%s", m.name, m.file, n, m.old)
	}
	return []byte(strings.Replace(string(b), m.old, m.new, 1)), nil
}

// dies returns an error unless the mutant's test fails.
func (m mutant) dies(ctx context.Context, root string) error {
	b, err := m.edited(root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return err
	}
	broken, overlay := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: broken}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(broken, b, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet", "off", "-count", "1", "-timeout", "2m",
		"-run", "^"+m.test+"$", "./"+m.pkg)
	cmd.Dir = root
	said, failed := cmd.CombinedOutput()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.verdict(string(said), failed); err != nil {
		return fmt.Errorf("mutant %s (%s): %w", m.name, m.what, err)
	}
	return nil
}

// verdict returns nil if the output of go test, which ended with failed, is that of a test that
// has noticed something.
func (m mutant) verdict(said string, failed error) error {
	end := said[max(0, len(said)-2000):]
	switch {
	case failed == nil && strings.Contains(said, "no tests to run"):
		return fmt.Errorf("%s has no test %s", m.pkg, m.test)
	case failed == nil:
		return fmt.Errorf("it lives: %s %s passes", m.pkg, m.test)
	case strings.Contains(said, "panic: test timed out"):
		return fmt.Errorf("%s %s hangs:\n%s", m.pkg, m.test, end)
	case regexp.MustCompile(`(?m)^\s*--- FAIL: ` + m.test + `\b`).MatchString(said), strings.Contains(said, "\npanic: ") || strings.HasPrefix(said, "panic: "):
		return nil
	}
	return fmt.Errorf("%s %s does not run (%w):\n%s", m.pkg, m.test, failed, end)
}
