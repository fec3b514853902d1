// The ops of types that hold others

package plainjson

import "reflect"

func ofSlice(elem *ops) ops {
	return ops{
		func(b []byte, v reflect.Value, deep int) ([]byte, bool) { return writeSlice(elem, b, v, deep) },
		func(r *reader, v reflect.Value, deep int) bool { return readSlice(elem, r, v, deep) },
	}
}

func ofPointer(elem *ops, to reflect.Type) ops {
	return ops{
		func(b []byte, v reflect.Value, deep int) ([]byte, bool) { return writePointer(elem, b, v, deep) },
		func(r *reader, v reflect.Value, deep int) bool { return readPointer(elem, to, r, v, deep) },
	}
}

func ofMap(elem *ops, t reflect.Type) ops {
	return ops{
		func(b []byte, v reflect.Value, deep int) ([]byte, bool) { return writeMap(elem, b, v, deep) },
		func(r *reader, v reflect.Value, deep int) bool { return readMap(elem, t, r, v, deep) },
	}
}

func ofStruct(fields []field) ops {
	return ops{
		func(b []byte, v reflect.Value, deep int) ([]byte, bool) { return writeStruct(fields, b, v, deep) },
		func(r *reader, v reflect.Value, deep int) bool { return readStruct(fields, r, v, deep) },
	}
}
