package laws

import (
	"bytes"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// printer writes the names of its own package without the package.
type printer struct{ pkg *types.Package }

// exported lists a package's exported names, one a line, each line unique: the
// constants, variables, functions, and the types with their fields and methods.
func exported(pkg *types.Package) []string {
	p := printer{pkg}
	var consts, vars, funcs, typs []string
	for _, name := range pkg.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch obj := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			consts = append(consts, fmt.Sprintf("const %s %s = %s", name, p.str(obj.Type()), obj.Val().ExactString()))
		case *types.Var:
			vars = append(vars, fmt.Sprintf("var %s %s", name, p.str(obj.Type())))
		case *types.Func:
			funcs = append(funcs, "func "+name+p.signature(obj))
		case *types.TypeName:
			typs = append(typs, p.typeLines(obj)...)
		}
	}
	return slices.Concat(consts, vars, funcs, typs)
}

func (p printer) typeLines(obj *types.TypeName) []string {
	name := obj.Name()
	if alias, ok := obj.Type().(*types.Alias); ok {
		return []string{fmt.Sprintf("type %s%s = %s", name, p.params(alias.TypeParams()), p.str(alias.Rhs()))}
	}
	named := obj.Type().(*types.Named)
	head := "type " + name + p.params(named.TypeParams()) + " "
	switch u := named.Underlying().(type) {
	case *types.Struct:
		return slices.Concat([]string{head + "struct"}, p.fields(name, u), p.methods(name, named))
	case *types.Interface:
		return append([]string{head + "interface"}, p.interfaceLines(name, u)...)
	default:
		return append([]string{head + p.str(u)}, p.methods(name, named)...)
	}
}

func (p printer) fields(of string, s *types.Struct) []string {
	var lines []string
	for i := range s.NumFields() {
		f := s.Field(i)
		if !f.Exported() {
			continue
		}
		line := fmt.Sprintf("field %s.%s %s", of, f.Name(), p.str(f.Type()))
		if f.Embedded() {
			line += " (embedded)"
		}
		if tag := s.Tag(i); tag != "" {
			line += " `" + tag + "`"
		}
		lines = append(lines, line)
	}
	return lines
}

// methods lists the method set of a pointer, promoted methods included.
func (p printer) methods(of string, named *types.Named) []string {
	var lines []string
	byValue := types.NewMethodSet(named)
	all := types.NewMethodSet(types.NewPointer(named))
	for i := range all.Len() {
		m := all.At(i).Obj().(*types.Func)
		if !m.Exported() {
			continue
		}
		recv := "(*" + of + ")"
		if byValue.Lookup(m.Pkg(), m.Name()) != nil {
			recv = "(" + of + ")"
		}
		lines = append(lines, fmt.Sprintf("method %s %s%s", recv, m.Name(), p.signature(m)))
	}
	return lines
}

func (p printer) interfaceLines(of string, u *types.Interface) []string {
	var lines []string
	sealed := false
	for i := range u.NumMethods() {
		if m := u.Method(i); m.Exported() {
			lines = append(lines, fmt.Sprintf("method %s.%s%s", of, m.Name(), p.signature(m)))
		} else {
			sealed = true
		}
	}
	for i := range u.NumEmbeddeds() {
		if e := u.EmbeddedType(i); !types.IsInterface(e) {
			lines = append(lines, fmt.Sprintf("union %s %s", of, p.str(e)))
		}
	}
	if sealed {
		lines = append(lines, "sealed "+of)
	}
	return lines
}

func (p printer) params(list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var parts []string
	for tp := range list.TypeParams() {
		parts = append(parts, tp.Obj().Name()+" "+p.str(tp.Constraint()))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (p printer) signature(f *types.Func) string {
	sig := f.Signature()
	var b bytes.Buffer
	b.WriteString(p.params(sig.TypeParams()))
	types.WriteSignature(&b, types.NewSignatureType(nil, nil, nil, sig.Params(), sig.Results(), sig.Variadic()), p.qualify)
	return b.String()
}

func (p printer) str(typ types.Type) string { return types.TypeString(typ, p.qualify) }

// qualify names packages of ours from the root, others by their whole path:
// both protoactor and this module have a package actor.
func (p printer) qualify(pkg *types.Package) string {
	if pkg.Path() == p.pkg.Path() {
		return ""
	}
	if dir, our := ours(pkg.Path()); our {
		return dir
	}
	return pkg.Path()
}
