// Where two values share memory

// Package plaintest looks at the memory of values, for tests that two ends of a call share none.
package plaintest

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

// Shared names a place in a that is memory of b's too; empty if there is none. a and b are pointers. The bytes of strings do not count,
// because they cannot be changed, nor do the places of times and the descriptions of protobuf messages, which all values have in common.
func Shared(a, b any) string {
	in := map[unsafe.Pointer]bool{}
	walk(reflect.ValueOf(b), "", func(_ string, p unsafe.Pointer) { in[p] = true })
	where := ""
	walk(reflect.ValueOf(a), "it", func(at string, p unsafe.Pointer) {
		if in[p] && where == "" {
			where = at
		}
	})
	return where
}

// walk calls see with each place that a value points to, except those of no size.
func walk(v reflect.Value, at string, see func(at string, p unsafe.Pointer)) {
	switch v.Kind() {
	case reflect.Pointer:
		if of := v.Type().Elem(); v.IsNil() || of == reflect.TypeFor[time.Location]() || strings.HasPrefix(of.PkgPath(), "google.golang.org/protobuf/internal") {
			return
		}
		if v.Type().Elem().Size() > 0 {
			see(at, v.UnsafePointer())
		}
		walk(v.Elem(), at, see)
	case reflect.Slice:
		if v.Cap() > 0 && v.Type().Elem().Size() > 0 {
			see(at, v.UnsafePointer())
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", at, i), see)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		see(at, v.UnsafePointer())
		for all := v.MapRange(); all.Next(); {
			walk(all.Value(), fmt.Sprintf("%s[%v]", at, all.Key()), see)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), at+"."+v.Type().Field(i).Name, see)
		}
	}
}
