package protocopy

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/clstr-go/clstr/internal/plain/plaintest"
	"github.com/clstr-go/clstr/internal/protocopy/internal/testpb"
)

// source makes messages of bytes.
type source struct{ left []byte }

func (s *source) next(n int) int {
	if len(s.left) == 0 {
		return 0
	}
	b := s.left[0]
	s.left = s.left[1:]
	return int(b) % n
}

func (s *source) word() (w uint64) {
	for range 8 {
		w = w<<8 | uint64(s.next(256))
	}
	return w >> s.next(64)
}

var texts = []string{"", "a", "plain text", "日本語", "a", "b", "c", "\xff"}

// fill fills an exported field, or what it holds, with nil and empty values among the others.
func (s *source) fill(v reflect.Value, deep int) {
	if len(s.left) == 0 && v.Kind() != reflect.Struct || deep > 6 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(s.next(2) == 1)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(s.word()) * int64(s.next(3)-1))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(s.word())
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1.5, math.NaN(), math.Inf(1), math.Float64frombits(s.word())}[s.next(6)])
	case reflect.String:
		if v.SetString(texts[s.next(len(texts)-1)]); s.next(100) == 99 {
			v.SetString(texts[len(texts)-1])
		}
	case reflect.Slice:
		if n := s.next(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n))
		}
		for i := range v.Len() {
			s.fill(v.Index(i), deep+1)
			s.some(v.Index(i))
		}
	case reflect.Map:
		if n := s.next(4); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n - 1 {
				k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				s.fill(k, deep+1)
				s.fill(e, deep+1)
				s.some(e)
				v.SetMapIndex(k, e)
			}
		}
	case reflect.Pointer:
		if s.next(3) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		if m, ok := v.Interface().(proto.Message); ok {
			s.message(m, deep+1)
			return
		}
		s.fill(v.Elem(), deep+1)
	}
}

// some makes a message of nil, most often: lists and maps with nil are refused.
func (s *source) some(v reflect.Value) {
	if v.Kind() == reflect.Pointer && v.IsNil() && s.next(50) != 49 {
		v.Set(reflect.New(v.Type().Elem()))
	}
}

// message fills the fields of a message.
func (s *source) message(m proto.Message, deep int) {
	v, r := reflect.ValueOf(m).Elem(), m.ProtoReflect()
	if r.Descriptor().Name() == "Hidden" {
		h := m.(*testpb.Hidden)
		h.SetName(texts[s.next(len(texts))])
		h.SetData([]byte(texts[s.next(len(texts))]))
		for range s.next(3) {
			one := &testpb.Hidden{}
			s.message(one, deep+1)
			h.SetMore(append(h.GetMore(), one))
		}
		return
	}
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() && s.next(3) > 0 {
			s.fill(v.Field(i), deep)
		}
	}
	for i := range r.Descriptor().Oneofs().Len() {
		of := r.Descriptor().Oneofs().Get(i)
		one := of.Fields().Get(s.next(of.Fields().Len()))
		if s.next(2) == 0 || of.IsSynthetic() {
			continue
		}
		r.Set(one, r.NewField(one))
		in := v.FieldByName(map[protoreflect.Name]string{"choice": "Choice", "other": "Other", "kind": "Kind"}[of.Name()])
		switch s.next(60) {
		case 59: // no struct of one of several
			in.Set(reflect.Zero(in.Elem().Type()))
		default:
			s.fill(in.Elem().Elem().Field(0), deep)
		}
	}
	if s.next(60) == 59 {
		r.SetUnknown(protoreflect.RawFields{0xf8, 0x7f, 1})
	}
}

// compare makes a message, and compares both ways. It returns whether the message was copied.
func compare(t *testing.T, data []byte) bool {
	s := &source{left: data}
	k := kinds[s.next(len(kinds))]
	m := k.empty.ProtoReflect().New().Interface()
	of := reflect.TypeOf(m).Elem()
	s.message(m, 0)
	f, into := Of(of)
	var zero any // memory for the copy
	if into && s.next(2) == 1 {
		zero = reflect.New(of).Interface()
	}
	copied, size := f(zero, m)
	if zero != nil && size >= 0 && copied != zero {
		t.Fatalf("%T: the copy is not where it should be", m)
	}
	looks := map[protoreflect.FullName]*protoLook{}
	looksAt(m.ProtoReflect().Descriptor(), looks)
	if _, slow := looks[m.ProtoReflect().Descriptor().FullName()].cloned(nil, m); size < 0 {
		if slow >= 0 {
			t.Fatalf("%T: refused, and cloned by the other way: %v", m, m)
		}
		return false
	}
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	as := reflect.New(of).Interface().(proto.Message)
	if err == nil {
		err = proto.Unmarshal(enc, as)
	}
	if err != nil {
		t.Fatalf("%T: copied, and by its bytes: %v (%v)", m, err, m)
	}
	got := copied.(proto.Message)
	if size != len(enc) {
		t.Fatalf("%T: a size of %d for %d bytes: %v", m, size, len(enc), m)
	}
	if where := plaintest.Shared(got, m); where != "" {
		t.Fatalf("%T: %s is shared", m, where)
	}
	if where := differs(reflect.ValueOf(got).Elem(), reflect.ValueOf(as).Elem()); where != "" {
		t.Fatalf("%T: it%s differs: %v, and by its bytes %v", m, where, got, as)
	}
	if !proto.Equal(got, as) {
		t.Fatalf("%T: %v, and by its bytes %v", m, got, as)
	}
	if again, err := (proto.MarshalOptions{Deterministic: true}).Marshal(got); err != nil || !bytes.Equal(again, enc) {
		t.Fatalf("%T: the copy is encoded as %x (%v), and the message as %x", m, again, err, enc)
	}
	return true
}

// differs names an exported field in which two messages are not the same: each bit of a number counts, and nil is not empty.
func differs(a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		if math.Float64bits(a.Float()) != math.Float64bits(b.Float()) {
			return " (bits)"
		}
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() != b.IsNil() {
			return " (nil)"
		}
		if !a.IsNil() {
			return differs(a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return " (nil or length)"
		}
		for i := range a.Len() {
			if where := differs(a.Index(i), b.Index(i)); where != "" {
				return where
			}
		}
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return " (nil or length)"
		}
		for _, k := range a.MapKeys() {
			if !b.MapIndex(k).IsValid() {
				return " (a key)"
			}
			if where := differs(a.MapIndex(k), b.MapIndex(k)); where != "" {
				return where
			}
		}
	case reflect.Struct:
		if a.Type() != b.Type() {
			return " (type)"
		}
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() {
				if where := differs(a.Field(i), b.Field(i)); where != "" {
					return "." + f.Name + where
				}
			}
		}
	default:
		if !a.Equal(b) {
			return " (value)"
		}
	}
	return ""
}

func randomBytes(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 16+r.IntN(600))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// FuzzCopy compares a copy with what encoding and decoding make, for messages that are made of bytes.
func FuzzCopy(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(randomBytes(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

// TestRandomCopies is FuzzCopy with many bytes, and sees to it that enough of the messages are copied.
func TestRandomCopies(t *testing.T) {
	copied, all := 0, 5000
	for seed := range uint64(all) {
		if compare(t, randomBytes(seed)) {
			copied++
		}
	}
	t.Logf("%d of %d copied", copied, all)
	if copied < all/3 || copied == all {
		t.Error("too few to say anything")
	}
}
