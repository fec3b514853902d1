package laws

import (
	"cmp"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestAliasesNameTheirPages: go doc shows neither fields nor methods of an alias, so its
// comment links the type that has them.
func TestAliasesNameTheirPages(t *testing.T) {
	for _, f := range files(t) {
		if f.test || strings.Contains(f.path, "internal/") || matchesAny(programs, f.pkg) {
			continue
		}
		for _, decl := range f.syntax.Decls {
			types, ok := decl.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				s := spec.(*ast.TypeSpec)
				of, ok := s.Type.(*ast.SelectorExpr)
				if !ok || !s.Assign.IsValid() || !s.Name.IsExported() {
					continue
				}
				page := "[" + of.X.(*ast.Ident).Name + "." + of.Sel.Name + "]"
				doc := s.Doc
				if len(types.Specs) == 1 {
					doc = cmp.Or(doc, types.Doc)
				}
				if !strings.Contains(doc.Text(), page) {
					t.Errorf("%s: the comment of the alias %s does not name %s", f.path, s.Name.Name, page)
				}
			}
		}
	}
}
