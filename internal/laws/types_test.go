package laws

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// Types are small, not only the files that they are cut into. A reader who sees one of
// a type's methods should know its state.
const (
	maxMethods     = 25
	maxMethodFiles = 2
)

// largeTypes may be larger, each with the reason. The list only shrinks: a type that
// keeps to the law, or is gone, must leave it.
var largeTypes = map[string]string{
	"transport/natstransport.Transport": "NATS by node comes next and rebuilds it",
}

func TestTypesAreSmall(t *testing.T) {
	count := make(map[string]int)
	in := make(map[string][]string)
	for _, f := range files(t) {
		if f.test || f.generated {
			continue
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil {
				continue
			}
			name := f.pkg + "." + receiver(fn)
			count[name]++
			if file := path.Base(f.path); !slices.Contains(in[name], file) {
				in[name] = append(in[name], file)
			}
		}
	}
	for name, n := range count {
		large := n > maxMethods || len(in[name]) > maxMethodFiles
		switch why := largeTypes[name]; {
		case large && why == "":
			t.Errorf("%s has %d methods in %d files (%s): at most %d, in at most %d files: make a type of what stands alone",
				name, n, len(in[name]), strings.Join(in[name], ", "), maxMethods, maxMethodFiles)
		case !large && why != "":
			t.Errorf("%s has %d methods in %d files: take its line out of largeTypes", name, n, len(in[name]))
		}
	}
	for name := range largeTypes {
		if count[name] == 0 {
			t.Errorf("%s is not there: take its line out of largeTypes", name)
		}
	}
}

// receiver is the name of a method's type.
func receiver(fn *ast.FuncDecl) string {
	typ := fn.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
