// Text that is not UTF-8, which JSON would change, and CBOR must not hold

package lossless

import (
	"bytes"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// replaced is what encoding/json writes for bytes that are not UTF-8, and, of its own
// accord, for nothing else.
var replaced = []byte(`\ufffd`)

// mostDeep bounds the walk over a value: encoding/json has found no circle in it.
const mostDeep = 1000

// Changed names the place of a string in v that is not UTF-8 and that encoding/json has changed in
// data, the encoded form of v. It returns "" if there is none. It looks only at strings that
// encoding/json writes by itself, and not at the output of a type's own code.
func Changed(v any, data []byte) string {
	if !bytes.Contains(data, replaced) {
		return ""
	}
	return NotUTF8(v)
}

// NotUTF8 names the place of a string in v that is not UTF-8. It returns "" if there is none, and where only
// the code of a type of its own knows the string.
func NotUTF8(v any) string { return notUTF8(reflect.ValueOf(v), "it", 0) }

func notUTF8(v reflect.Value, name string, deep int) string {
	if deep > mostDeep {
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return name
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return notUTF8(v.Elem(), name, deep+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				if where := notUTF8(v.Field(i), fmt.Sprintf("field %q", f.Name), deep+1); where != "" {
					return where
				}
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return ""
		}
		for i := range v.Len() {
			if where := notUTF8(v.Index(i), name, deep+1); where != "" {
				return where
			}
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			if where := notUTF8(all.Key(), "a key of "+name, deep+1); where != "" {
				return where
			}
			if where := notUTF8(all.Value(), name, deep+1); where != "" {
				return where
			}
		}
	}
	return ""
}
