package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

// TestEnumsAreTheCodes: clstr.proto has each number that the code sends, under the same name.
func TestEnumsAreTheCodes(t *testing.T) {
	for _, c := range []struct {
		file, name string
		enum       protoreflect.EnumDescriptor
		// names are those of constants whose names in clstr.proto are others.
		names map[string]string
	}{
		{"../turn/turn.go", "Role", clstrpb.Role(0).Descriptor(), nil},
		{"../../transport/envelope.go", "Delivery", clstrpb.Delivery(0).Descriptor(), nil},
		{"../../outcome/outcome.go", "Outcome", clstrpb.Outcome(0).Descriptor(), map[string]string{"SUCCEEDED": "UNKNOWN"}}, // no error has it
		{"owners.go", "Ask", clstrpb.Ask(0).Descriptor(), map[string]string{"ASK_ALL": "ALL", "ASK_ONE": "ONE", "ASK_LIVING": "LIVING"}},
	} {
		var want, got []string
		for _, name := range constants(t, c.file, c.name) {
			if other, ok := c.names[name]; ok {
				name = other
			}
			want = append(want, name)
		}
		for i := range c.enum.Values().Len() {
			v := c.enum.Values().Get(i)
			if int(v.Number()) != i {
				t.Errorf("%s: %s is %d, behind %v", c.name, v.Name(), v.Number(), got)
			}
			got = append(got, string(v.Name()))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %v in clstr.proto, and %v in the code", c.name, got, want)
		}
	}
}

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// constants returns the constants of a type that a file counts from 0 on, written as in clstr.proto.
func constants(t *testing.T, file, of string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		first := block.Specs[0].(*ast.ValueSpec)
		if kind, ok := first.Type.(*ast.Ident); !ok || kind.Name != of {
			continue
		}
		for _, s := range block.Specs {
			for _, name := range s.(*ast.ValueSpec).Names {
				names = append(names, strings.ToUpper(capital.ReplaceAllString(name.Name, "${1}_$2")))
			}
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no constants of type %s", file, of)
	}
	return names
}
