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
		if n > maxMethods || len(in[name]) > maxMethodFiles {
			t.Errorf("%s has %d methods in %d files (%s): at most %d, in at most %d files: make a type of what stands alone",
				name, n, len(in[name]), strings.Join(in[name], ", "), maxMethods, maxMethodFiles)
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
