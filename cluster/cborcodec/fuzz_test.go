package cborcodec

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/lossless"
)

// fill makes a value of bytes, of at most so many levels.
func fill(v reflect.Value, next func() byte, levels int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(next()%2 == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(next())<<(next()%57) - 300)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(next()) << (next() % 57))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(math.Ldexp(float64(next())/3, int(next())-128))
	case reflect.String:
		s := make([]byte, next()%40)
		for i := range s {
			s[i] = next()
		}
		v.SetString(string(s))
	case reflect.Slice:
		if n := int(next() % 5); n > 0 && levels > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n))
		}
		for i := range v.Len() {
			fill(v.Index(i), next, levels-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next, levels-1)
		}
	case reflect.Map:
		n := int(next() % 4)
		if n == 0 || levels == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range n - 1 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, next, levels-1)
			fill(value, next, levels-1)
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		if next()%3 > 0 && levels > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), next, levels-1)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(next())<<(next()%28), int64(next())).In(time.FixedZone("", 60*(int(next())-128)))))
			return
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, next, levels-1)
			}
		}
	}
}

// mixed has what fill can make.
type mixed struct {
	Base
	*Shown
	B    bool
	I    int
	I8   []int8
	U    uint64
	F    float64
	F32  float32
	S    string `json:"s,omitempty"`
	T    time.Time
	E    []time.Duration
	M    map[string]mixedIn
	N    map[int64]string `cbor:"n"`
	P    *mixedIn
	A    [3]*string
	Y    []byte
	Tree *tree
	Col  color8
}

type (
	// Shown is embedded by pointer.
	Shown   struct{ C, D int }
	mixedIn struct {
		X []string `json:"x"`
		Y *uint8   `json:",omitempty"`
		Z [2]byte
	}
	color8 uint8
)

func (c color8) MarshalBinary() ([]byte, error) { return []byte{byte(c)}, nil }
func (c *color8) UnmarshalBinary(b []byte) error {
	*c = color8(b[0])
	return nil
}

// FuzzRoundTrip: what was encoded is decoded as JSON would have brought it. What is refused has text that is not UTF-8.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x01\x02\x03"))
	f.Add(bytes.Repeat([]byte("abc\x00\x05xyz"), 60))
	f.Fuzz(func(t *testing.T, seed []byte) {
		at := 0
		var v mixed
		fill(reflect.ValueOf(&v).Elem(), func() byte {
			if len(seed) == 0 {
				return 0
			}
			at++
			return seed[at%len(seed)] ^ byte(at/len(seed))
		}, 6)
		data, err := marshal(v)
		if err != nil {
			if lossless.NotUTF8(v) == "" {
				t.Fatalf("%+v: %v", v, err)
			}
			return
		}
		var back mixed
		if err := unmarshal(data, &back); err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		sameAs(t, v, back)
		if again, err := marshal(back); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x, and back %x (%v)", data, again, err)
		}
	})
}

// FuzzDecode: any bytes are refused, or are a value that can be encoded again.
func FuzzDecode(f *testing.F) {
	for _, v := range corpus() {
		if data, err := marshal(v); err == nil && len(data) < 4096 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, target := range []any{new(mixed), new(every), new(any), new(loop)} {
			if unmarshal(data, target) != nil {
				continue
			}
			first, err := marshal(target)
			if err != nil {
				continue // deeper than what is sent, or a time that has no text
			}
			again := reflect.New(reflect.TypeOf(target).Elem()).Interface()
			if err := unmarshal(first, again); err != nil {
				t.Fatalf("%T: %x became %x: %v", target, data, first, err)
			}
			_, _ = unknown(data, target)
		}
	})
}
