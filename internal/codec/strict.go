// Fields of data that a type does not have

package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Unknown names a field of data that T does not have. Most often data is then another
// message. It returns "" if there is no such field. A struct without fields accepts anything,
// because its caller does not use the reply.
func Unknown[T any](as string, data []byte) (field string, err error) {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t.NumField() == 0 {
		return "", nil
	}
	defer caught("decoding", &err)
	target := reflect.New(t).Interface()
	if m, ok := target.(proto.Message); ok {
		if err := proto.Unmarshal(data, m); err != nil {
			return "", err
		}
		return unknownIn(m.ProtoReflect()), nil
	}
	if as != JSON {
		c, err := named(as)
		if err != nil {
			return "", err
		}
		return c.Unknown(data, target)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err = d.Decode(target)
	if err == nil {
		return "", nil
	}
	// encoding/json has no type for it.
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if field, err := strconv.Unquote(quoted); err == nil {
			return field, nil
		}
		return quoted, nil
	}
	return "", &jsonError{err}
}

// unknownIn names the first field of a message, or of those in it, that its type does
// not know.
func unknownIn(m protoreflect.Message) (field string) {
	if b := m.GetUnknown(); len(b) > 0 {
		number, _, _ := protowire.ConsumeTag(b)
		return fmt.Sprintf("%s.%d", m.Descriptor().Name(), number)
	}
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.Message() == nil, d.IsMap() && d.MapValue().Message() == nil:
		case d.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				field = unknownIn(v.Message())
				return field == ""
			})
		case d.IsList():
			for i := 0; i < v.List().Len() && field == ""; i++ {
				field = unknownIn(v.List().Get(i).Message())
			}
		default:
			field = unknownIn(v.Message())
		}
		return field == ""
	})
	return field
}
