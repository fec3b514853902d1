package laws

import (
	"go/ast"
	"go/parser"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testdata/reference.txt holds every block of code that the reference document
// shows, as it stands there. A program that was copied from it must go on to work
// once its import paths are ours.
var ourPaths = strings.NewReplacer(
	"github.com/codewandler/clstr-go/core/cluster", module+"/cluster",
	"github.com/codewandler/clstr-go/adapters/prometheus", module+"/cluster/prommetrics",
)

// free declares the names that fragments leave to their reader.
const free = `
import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"` + module + `/actor"
	"` + module + `/cluster"
)

type (
	Envelope = cluster.Envelope
	EnvelopeOption    = cluster.EnvelopeOption
	Subscription      = cluster.Subscription
	ClusterMetrics    = cluster.ClusterMetrics
	MyRequest         struct{}
	MyNotification    struct{}
	GetUserQuery      struct{ ID string }
)

var (
	ctx                       context.Context
	t                         *testing.T
	tr, natsTransport         cluster.Transport
	client                    *cluster.Client
	handler                   cluster.ServerHandlerFunc
	createFunc                func(string) (cluster.ServerHandlerFunc, error)
	createActorForKey         func(string) actor.Actor
	logger                    *slog.Logger
	data, payload, response   []byte
	shards                    []uint32
	shardID, numShards        uint32
	seed                      string
	nodeIDs, allNodeIDs       []string
)
`

// more is what single blocks need beside it: names that elsewhere mean something
// else, or that the document declares in an earlier block.
var more = map[string]string{
	"node":            "type ClientTransport = cluster.ClientTransport; type ServerTransport = cluster.ServerTransport; type ServerHandlerFunc = cluster.ServerHandlerFunc; var opts cluster.NodeOptions",
	"client":          "type ClientTransport = cluster.ClientTransport; var opts cluster.ClientOptions",
	"routing methods": "type GetUser struct{ ID string }",
}

func TestReferenceBlocks(t *testing.T) {
	imp := importerOf(t, []string{"cluster", "cluster/prommetrics", "actor"})
	blocks := referenceBlocks(t)
	if len(blocks) != 23 {
		t.Fatalf("%d blocks, the document has 23", len(blocks))
	}
	for name, code := range blocks {
		t.Run(name, func(t *testing.T) {
			src := code
			if !strings.HasPrefix(code, "package ") {
				src = fragment(name, code)
			}
			f, err := parser.ParseFile(fset, name+".go", src, parser.SkipObjectResolution)
			if err != nil {
				t.Fatalf("%v\n%s", err, src)
			}
			conf := types.Config{Importer: imp, Error: func(err error) {
				// A fragment need not use what it declares, and shows two ways one after
				// the other under one name: those errors are soft.
				if e := err.(types.Error); !e.Soft || strings.HasPrefix(code, "package ") {
					t.Errorf("%v", err)
				}
			}}
			_, _ = conf.Check("main", fset, []*ast.File{f}, nil) // errors were told
		})
	}
}

// bubble runs a program on virtual time, so that a slow machine cannot change what it
// does. The program leaves its nodes running; its process ends with the code 7.
const bubble = `package main

import (
	"os"
	"testing"
	"testing/synctest"
)

func TestProgram(t *testing.T) {
	synctest.Test(t, func(*testing.T) { main(); os.Exit(7) })
}
`

// TestReferenceProgramsRun: what a program of the document does depends on no race.
// It asks right after go node.Run(ctx).
func TestReferenceProgramsRun(t *testing.T) {
	programs := 0
	for name, code := range referenceBlocks(t) {
		if !strings.HasPrefix(code, "package main") {
			continue
		}
		programs++
		dir := t.TempDir()
		src, test, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "main_test.go"), filepath.Join(dir, "program")
		for file, text := range map[string]string{src: code, test: bubble} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.Command("go", "test", "-vet=off", "-c", "-o", bin, src, test)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		for range 100 {
			run := exec.CommandContext(t.Context(), bin)
			out, _ := run.CombinedOutput() // its code says it
			if run.ProcessState.ExitCode() != 7 || !strings.Contains(string(out), `got user name="User 123"`) {
				t.Fatalf("%s: exit code %d\n%s", name, run.ProcessState.ExitCode(), out)
			}
		}
	}
	if programs != 1 {
		t.Errorf("%d programs, the document has 1", programs)
	}
}

// referenceBlocks are the document's blocks of code by name, with our import paths.
func referenceBlocks(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/reference.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(text), "\n-- ") {
		if name, code, ok := strings.Cut(part, " --\n"); ok {
			blocks[name] = ourPaths.Replace(code)
		}
	}
	return blocks
}

var (
	importLine = regexp.MustCompile(`(?m)^import .*$`)
	declared   = regexp.MustCompile(`(?m)^type (\w+) `)
)

// fragment is a block as a file: its imports and the free names, and the block as
// declarations where it is that, else as the body of a function.
func fragment(name, code string) string {
	head := "package main\n" + strings.Join(importLine.FindAllString(code, -1), "\n")
	code = importLine.ReplaceAllString(code, "")
	around := free
	if strings.Contains(head, module+"/cluster\"") {
		around = strings.Replace(free, "\""+module+"/cluster\"", "", 1)
	}
	for _, d := range declared.FindAllStringSubmatch(code, -1) { // not free in this block
		around = regexp.MustCompile(`(?m)^\t`+d[1]+` .*$`).ReplaceAllString(around, "")
	}
	head += around + more[name] + "\n"
	if strings.TrimSpace(code) == "" { // it shows an import alone
		return head
	}
	if _, err := parser.ParseFile(fset, "", "package main\n"+code, 0); err == nil {
		return head + code
	}
	if name == "errors" { // a list of values, not of statements
		code = regexp.MustCompile(`(?m)^cluster\.`).ReplaceAllString(code, "_ = cluster.")
	}
	return head + "func _() {\n" + code + "\n}\n"
}
