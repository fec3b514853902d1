package wire_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

const document = "../../docs/wire-format.md"

// The bytes that the document shows are those that we write.
func TestDocumentedBytes(t *testing.T) {
	request := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{
		Shard: 7, Type: "Deposit", Data: []byte(`{"amount":5}`), Key: "acc-1", Kind: "account",
		NumShards: 64, Layout: 0x1122334455667788,
	}, 2*time.Second, nil, 0), 41)
	replies := wire.AppendReply(nil, 41, []byte(`{"balance":5}`), nil)
	replies = wire.AppendEnd(wire.AppendReply(replies, 42, nil, outcome.Overloaded(10*time.Millisecond, "shard 7")), 0)
	text := read(t, document)
	for name, want := range map[string][]byte{
		"request": request, "replies": replies, "cancel": wire.AppendEnd(wire.AppendCancel(nil, 41), 0),
	} {
		if got := documented(t, text, name); !bytes.Equal(got, want) {
			t.Errorf("%s: the document has\n%x, we write\n%x", name, got, want)
		}
	}
}

// documented returns the bytes of a block: what stands in each line before two
// spaces.
func documented(t *testing.T, text, name string) (b []byte) {
	t.Helper()
	_, block, ok := strings.Cut(text, "```hex "+name+"\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatalf("no block %q in %s", name, document)
	}
	for line := range strings.Lines(block) {
		digits, _, _ := strings.Cut(line, "  ")
		more, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b = append(b, more...)
	}
	return b
}

// The table of codes is that of package outcome, whole.
func TestDocumentedCodes(t *testing.T) {
	text := read(t, document)
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| `([\\w.]+)` \\|$").FindAllStringSubmatch(text, -1) {
		rows[m[1]] = m[2] + " " + m[3]
	}
	source := read(t, "../../outcome/errors.go")
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(code\w+)\s+= "(\w+)"`).FindAllStringSubmatch(source, -1) {
		names[m[1]] = m[2]
	}
	builtin := regexp.MustCompile(`(?m)^\t\{("?)(\w+)"?, ([\w.]+), (\w+)\},$`).FindAllStringSubmatch(source, -1)
	for _, m := range builtin {
		code := m[2]
		if m[1] == "" {
			code = names[code]
		}
		if want := m[4] + " " + m[3]; rows[code] != want {
			t.Errorf("code %q: the document has %q, package outcome %q", code, rows[code], want)
		}
		delete(rows, code)
	}
	sentinels := regexp.MustCompile(`(?m)^\t(Err\w+)\s+= sentinel\("(\w+)", (\w+), `).FindAllStringSubmatch(source, -1)
	for _, m := range sentinels {
		if want := m[3] + " " + m[1]; rows[m[2]] != want {
			t.Errorf("code %q: the document has %q, package outcome %q", m[2], rows[m[2]], want)
		}
		delete(rows, m[2])
	}
	if len(sentinels) < 20 || len(rows) != 0 {
		t.Errorf("%d codes were found in the source; the document has more: %v", len(builtin)+len(sentinels), rows)
	}
}

// Each field of clstr.proto has its row.
func TestDocumentedFields(t *testing.T) {
	text := read(t, document)
	for _, line := range parseProto(read(t, "clstr.proto")) {
		words := strings.Fields(line)
		if words[0] != "message" || words[1] == "Header:" {
			continue
		}
		n := len(words)
		if row := "| " + words[n-1] + " `" + words[n-3] + "` |"; !strings.Contains(text, row) {
			t.Errorf("%s: no row %q", line, row)
		}
	}
}
