package plain_test

import (
	"fmt"
	"math"
	"reflect"
	"time"
)

// differs names a place where two values are not the same: each bit of a number counts, and nil is not empty.
func differs(a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		if math.Float64bits(a.Float()) != math.Float64bits(b.Float()) {
			return fmt.Sprintf(" (%v, %v)", a, b)
		}
	case reflect.Pointer:
		if a.IsNil() != b.IsNil() {
			return " (nil)"
		}
		if !a.IsNil() {
			return differs(a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.IsNil() != b.IsNil() {
			return " (nil)"
		}
		fallthrough
	case reflect.Array:
		if a.Len() != b.Len() {
			return " (length)"
		}
		for i := range a.Len() {
			if where := differs(a.Index(i), b.Index(i)); where != "" {
				return fmt.Sprintf("[%d]%s", i, where)
			}
		}
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return " (nil or length)"
		}
		for _, k := range a.MapKeys() {
			if !b.MapIndex(k).IsValid() {
				return fmt.Sprintf("[%v] (is not there)", k)
			}
			if where := differs(a.MapIndex(k), b.MapIndex(k)); where != "" {
				return fmt.Sprintf("[%v]%s", k, where)
			}
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if where := differs(a.Field(i), b.Field(i)); where != "" {
				return "." + a.Type().Field(i).Name + where
			}
		}
	case reflect.Func:
		if !a.IsNil() || !b.IsNil() {
			return " (a func)"
		}
	default:
		if !a.Equal(b) {
			return fmt.Sprintf(" (%v, %v)", a, b)
		}
	}
	return ""
}

// hasOddTime reports whether there is a time in a value with an offset that is no whole minute: JSON makes another moment of it.
func hasOddTime(v reflect.Value) bool {
	odd := false
	var look func(v reflect.Value)
	look = func(v reflect.Value) {
		if v.CanInterface() {
			if t, ok := v.Interface().(time.Time); ok {
				_, offset := t.Zone()
				odd = odd || offset%60 != 0
				return
			}
		}
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				look(v.Elem())
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				look(v.Index(i))
			}
		case reflect.Map:
			for all := v.MapRange(); all.Next(); {
				look(all.Value())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				look(v.Field(i))
			}
		}
	}
	look(v)
	return odd
}
