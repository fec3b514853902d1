package natstransport_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestNoPayloadInNATSLogsAndErrors provokes every line that this package can log,
// with payloads and header values of one marker, and searches for it what was logged
// and what calls have returned. Which lines there are it reads in the source, so
// that a new one has to be provoked here too.

type provocation struct {
	name    string
	lines   []string // a line as often as calls log it
	provoke func(*testing.T, *secretWatch)
}

func TestNoPayloadInNATSLogsAndErrors(t *testing.T) {
	lines := logCalls(t)
	for _, p := range slices.Concat(provocations, turnProvocations, hearingProvocations, rightProvocations, moveProvocations) {
		t.Run(p.name, func(t *testing.T) {
			w := watchSecrets(t)
			p.provoke(t, w)
			for _, line := range p.lines {
				w.logs("msg=" + strconv.Quote(line))
			}
			if len(p.lines) == 0 && len(w.errs) == 0 {
				t.Error("nothing was provoked")
			}
		})
		for _, line := range p.lines {
			lines[line]--
		}
	}
	for line, n := range lines {
		if n != 0 {
			t.Errorf("%q: %d calls that log it are not provoked", line, n)
		}
	}
}

// logCalls counts the calls of the package and its parts that log a text, by the text.
func logCalls(t *testing.T) map[string]int {
	t.Helper()
	names, err := filepath.Glob("*.go")
	parts, fault := filepath.Glob("internal/*/*.go")
	if err = errors.Join(err, fault); err != nil {
		t.Fatal(err)
	}
	names = append(names, parts...)
	found := map[string]int{}
	logs := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "warn", "Print", "Printf", "Println"}, strings.TrimSuffix(f.Sel.Name, "Context")) {
			return true
		}
		for _, arg := range call.Args {
			if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				found[text]++
				break
			}
		}
		return true
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, logs)
	}
	if len(found) < 20 {
		t.Fatalf("only %d lines were found: %v", len(found), found)
	}
	return found
}

// marker is all that payloads and header values consist of here, so that every
// piece of one has it.
const marker = "hu5h"

func loud(n int) []byte { return bytes.Repeat([]byte(marker), n/len(marker)) }

// secret gives an envelope a payload and a header that nobody is to read.
func secret(env transport.Envelope) transport.Envelope {
	env.Data, env.Headers = loud(40), map[string]string{"token": string(loud(40))}
	return env
}

// packet is the message of one envelope, with the id 1.
func packet(env transport.Envelope) []byte {
	return wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0, nil, 0), 1)
}

// note is a notification without an acknowledgement to shard 7.
func note() transport.Envelope {
	return secret(transport.Envelope{Shard: 7, Type: "Note", Delivery: transport.AwaitNothing})
}

// post publishes a message with a header of NATS's too, and returns when the server
// has it.
func post(t *testing.T, nc *nats.Conn, subject, reply string, data []byte) {
	t.Helper()
	m := &nats.Msg{Subject: subject, Reply: reply, Data: data, Header: nats.Header{"token": {string(loud(40))}}}
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// answer answers what comes to a subject.
func answer(t *testing.T, nc *nats.Conn, subject string, reply func(*nats.Msg)) {
	t.Helper()
	if _, err := nc.Subscribe(subject, reply); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// secretWatch keeps what transports log and return.
type secretWatch struct {
	t   *testing.T
	log lockedBuffer

	mu   sync.Mutex
	errs []error
}

// watchSecrets begins to keep what is logged. When all has ended, nothing may have
// the marker.
func watchSecrets(t *testing.T) *secretWatch {
	w := &secretWatch{t: t}
	t.Cleanup(func() { // behind the ends of the transports that are made yet
		if logged := w.log.String(); tells(logged) {
			t.Errorf("the log has a payload or a header:\n%s", logged)
		}
		for _, err := range w.errs {
			if text := fmt.Sprintf("%v\n%+v\n%#v", err, err, err); tells(text) {
				t.Errorf("an error has a payload or a header: %s", text)
			}
		}
	})
	return w
}

// tells looks for the marker as a text, as numbers and in hexadecimal.
func tells(text string) bool {
	return containsAny(text, marker, strings.Trim(fmt.Sprint([]byte(marker)), "[]"), hex.EncodeToString([]byte(marker)))
}

func (w *secretWatch) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *secretWatch) connect(opts natstransport.Options) *natstransport.Transport {
	w.t.Helper()
	opts.Log, opts.AlwaysOverNATS = w.logger(), true
	return connect(w.t, opts)
}

// fails keeps an error that there must be.
func (w *secretWatch) fails(err error) {
	w.t.Helper()
	if err == nil {
		w.t.Error("no error")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, err)
}

// refused sends a request that must fail with an error of the given code.
func (w *secretWatch) refused(tr *natstransport.Transport, env transport.Envelope, code string) {
	w.t.Helper()
	_, err := tr.Request(patient(w.t), env)
	if w.fails(err); outcome.CodeOf(err) != code {
		w.t.Errorf("%s: got %v; want the code %s", env.Type, err, code)
	}
}

// logs waits for a line with the given words.
func (w *secretWatch) logs(words string) {
	w.t.Helper()
	eventually(w.t, "the log says "+words, func() bool { return strings.Contains(w.log.String(), words) })
}

// realm is a node that tells of the owners of 9 shards, and a client.
func (w *secretWatch) realm() (url string, node, client *natstransport.Transport) {
	w.t.Helper()
	url = testkit.StartNATS(w.t)
	node, client = w.connect(natstransport.Options{URL: url}), w.connect(natstransport.Options{URL: url})
	if _, err := node.Backend().ServeOwners(patient(w.t), &records{epochs: make([]uint64, 9)}); err != nil {
		w.t.Fatal(err)
	}
	return url, node, client
}
