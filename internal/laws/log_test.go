package laws

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// unbounded are packages whose lines are not the library's in production, or that
// make the bound.
const unbounded = programs + " " + testLibrariesDirs + " internal/sparse"

const testLibrariesDirs = "testkit/... transport/transporttest membership/storetest"

// wrapped are calls of slog.New that do not go through sparse.New, with the reason.
var wrapped = map[string]string{
	"internal/host/system.go": "leaves out protoactor's informational lines on their way to a bounded logger",
}

// What callers, keys and servers cause is bounded because every logger comes into
// the library through sparse.New: from options, from a parameter of an exported
// func, or slog.Default. Nothing is written but by a logger.
func TestLogIsBounded(t *testing.T) {
	for _, f := range files(t) {
		if f.test || f.generated || matchesAny(unbounded, f.pkg) {
			continue
		}
		if slices.Contains(f.imports, "log") {
			t.Errorf("%s imports log: its lines have no bound; use a logger of sparse.New", f.path)
		}
		bounded := throughSparse(f.syntax)
		if name := optionsWithLog(f.syntax); name != "" && !boundsOptions(t, f.pkg) {
			t.Errorf("%s: no sparse.New takes the Log of %s", f.path, name)
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				for _, name := range loggerParams(n) {
					for _, use := range uses(n.Body, name) {
						if !bounded[use] {
							t.Errorf("%v: %s is given by another package: hand it to sparse.New", fset.Position(use), name)
						}
					}
				}
			case *ast.SelectorExpr:
				x, _ := n.X.(*ast.Ident)
				switch {
				case x != nil && x.Name == "slog" && wrapped[f.path] == "" && slices.Contains([]string{"New", "Default"}, n.Sel.Name) && !bounded[n.Pos()],
					x != nil && x.Name == "slog" && slices.Contains([]string{"Debug", "Info", "Warn", "Error", "Log", "LogAttrs"}, n.Sel.Name):
					t.Errorf("%v: slog.%s has no bound: use a logger of sparse.New", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

// throughSparse are the places in a file of what is handed to sparse.New, or to
// another exported func of ours, which does the same.
func throughSparse(file *ast.File) map[token.Pos]bool {
	places := map[token.Pos]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		id, isIdent := call.Fun.(*ast.Ident)
		if ok && sel.Sel.IsExported() && !isSelector(sel, "slog", sel.Sel.Name) || isIdent && id.IsExported() {
			for _, arg := range call.Args {
				places[arg.Pos()] = true
			}
		}
		return true
	})
	return places
}

// optionsWithLog names the options of a file that take a logger.
func optionsWithLog(file *ast.File) (name string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() {
			return true
		}
		if st, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range st.Fields.List {
				if isLogger(field.Type) && slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					name = spec.Name.Name
				}
			}
		}
		return true
	})
	return name
}

// boundsOptions tells whether a package hands the Log of options to sparse.New.
func boundsOptions(t *testing.T, pkg string) (found bool) {
	for _, f := range files(t) {
		if f.test || f.pkg != pkg {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, "sparse", "New") {
				sel, ok := call.Args[0].(*ast.SelectorExpr)
				found = found || ok && sel.Sel.Name == "Log"
			}
			return true
		})
	}
	return found
}

func isLogger(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	return ok && isSelector(star.X, "slog", "Logger")
}

// loggerParams names the parameters of an exported func, or method, that are loggers.
func loggerParams(d *ast.FuncDecl) (names []string) {
	if !d.Name.IsExported() || d.Body == nil {
		return nil
	}
	if d.Recv != nil && !receiverIsExported(d.Recv) {
		return nil
	}
	for _, p := range d.Type.Params.List {
		if isLogger(p.Type) {
			for _, name := range p.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func receiverIsExported(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// uses are the places where a body reads a parameter before the bounded logger has
// taken its name.
func uses(body *ast.BlockStmt, name string) (places []token.Pos) {
	for _, stmt := range body.List {
		if a, ok := stmt.(*ast.AssignStmt); ok {
			id, isIdent := a.Lhs[0].(*ast.Ident)
			call, isCall := a.Rhs[0].(*ast.CallExpr)
			if isIdent && isCall && id.Name == name && isSelector(call.Fun, "sparse", "New") {
				return places
			}
		}
		places = append(places, usesIn(stmt, name)...)
	}
	return places
}

func usesIn(n ast.Node, name string) (places []token.Pos) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr: // its key is the name of a field
			places = append(places, usesIn(n.Value, name)...)
			return false
		case *ast.SelectorExpr:
			places = append(places, usesIn(n.X, name)...)
			return false
		case *ast.Ident:
			if n.Name == name {
				places = append(places, n.Pos())
			}
		}
		return true
	})
	return places
}

func isSelector(e ast.Expr, x, sel string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != sel {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == x
}

// entity are the words that sparse.Entity, Kind and Shard write.
var entity = []string{"kind", "shard", "key"}

// Lines are counted together by their message, so it is a constant; what a line is
// about is spelt one way, by sparse.Entity or a part of it.
func TestLogLinesAreSpeltOneWay(t *testing.T) {
	for _, f := range files(t) {
		if f.test || f.generated || matchesAny(unbounded, f.pkg) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "slog" && len(call.Args) > 0 {
				if word, ok := literal(call.Args[0]); ok && slices.Contains(entity, word) {
					t.Errorf("%v: slog.%s(%q): use sparse.Entity, Kind or Shard", fset.Position(call.Pos()), sel.Sel.Name, word)
				}
			}
			args, ok := lineArgs(sel, call.Args)
			if !ok {
				return true
			}
			if _, ok := literal(args[0]); !ok {
				t.Errorf("%v: the message of a line is a constant: what differs goes into attributes", fset.Position(call.Pos()))
			}
			for _, arg := range args[1:] {
				if word, ok := literal(arg); ok && slices.Contains(entity, word) {
					t.Errorf("%v: %q is spelt by sparse.Entity, Kind or Shard", fset.Position(arg.Pos()), word)
				}
			}
			return true
		})
	}
}

// noLoggers have methods with the names of a logger's.
var noLoggers = []string{"http", "stream", "math"}

// lineArgs are the arguments of a call that writes a line, from its message on.
func lineArgs(sel *ast.SelectorExpr, args []ast.Expr) ([]ast.Expr, bool) {
	if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(noLoggers, id.Name) {
		return nil, false
	}
	at := 0
	switch sel.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		at = 1
	case "Log", "LogAttrs":
		at = 2
	default:
		return nil, false
	}
	if len(args) <= at {
		return nil, false // another method of that name: Error(), Log()
	}
	return args[at:], true
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
