package wire_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

// TestProtoMatchesGenerated compares clstr.proto, which is what others build
// on, with the descriptor in the generated code. After a change of the former:
//
//	protoc --go_out=. --go_opt=module=github.com/clstr-go/clstr internal/wire/clstr.proto
func TestProtoMatchesGenerated(t *testing.T) {
	text, err := os.ReadFile("clstr.proto")
	if err != nil {
		t.Fatal(err)
	}
	want, got := parseProto(string(text)), describe(clstrpb.File_internal_wire_clstr_proto)
	if len(want) < 30 {
		t.Errorf("only %d declarations were found in clstr.proto", len(want))
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the generated code lacks %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("clstr.proto lacks %s", line)
		}
	}
}

var (
	comment = regexp.MustCompile(`//.*`)
	block   = regexp.MustCompile(`(?s)(message|enum)\s+(\w+)\s*\{(.*?)\}`)
	member  = regexp.MustCompile(`(repeated\s+)?(?:(\w+)\s+)?(\w+)\s*=\s*(\d+)\s*;`)
	pkg     = regexp.MustCompile(`package\s+([\w.]+)\s*;`)
)

// parseProto returns the declarations of a .proto without nested messages, maps
// and oneofs, which ours has none of.
func parseProto(text string) (lines []string) {
	text = comment.ReplaceAllString(text, "")
	lines = append(lines, "package "+pkg.FindStringSubmatch(text)[1])
	for _, b := range block.FindAllStringSubmatch(text, -1) {
		for _, m := range member.FindAllStringSubmatch(b[3], -1) {
			lines = append(lines, declaration(b[1], b[2], m[1] != "", m[2], m[3], m[4]))
		}
	}
	return lines
}

func declaration(what, of string, repeated bool, kind, name string, number any) string {
	words := []string{what, of + ":"}
	if repeated {
		words = append(words, "repeated")
	}
	if kind != "" {
		words = append(words, kind)
	}
	return strings.Join(words, " ") + fmt.Sprintf(" %s = %v", name, number)
}

func describe(f protoreflect.FileDescriptor) (lines []string) {
	lines = append(lines, "package "+string(f.Package()))
	for i := range f.Messages().Len() {
		m := f.Messages().Get(i)
		for j := range m.Fields().Len() {
			d := m.Fields().Get(j)
			kind := d.Kind().String()
			switch {
			case d.Message() != nil:
				kind = string(d.Message().Name())
			case d.Enum() != nil:
				kind = string(d.Enum().Name())
			}
			lines = append(lines, declaration("message", string(m.Name()), d.IsList(), kind, string(d.Name()), d.Number()))
		}
	}
	for i := range f.Enums().Len() {
		e := f.Enums().Get(i)
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			lines = append(lines, declaration("enum", string(e.Name()), false, "", string(v.Name()), v.Number()))
		}
	}
	return lines
}
