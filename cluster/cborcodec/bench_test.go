package cborcodec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/codec"
)

type (
	words struct{ Text string }
	item  struct {
		SKU   string   `json:"sku"`
		Qty   int      `json:"qty"`
		Price float64  `json:"price"`
		Tags  []string `json:"tags"`
	}
	order struct {
		ID    string            `json:"id"`
		At    time.Time         `json:"at"`
		Items []item            `json:"items"`
		Attrs map[string]string `json:"attrs"`
	}
)

// BenchmarkCodec is CBOR beside JSON: encode, decode, and the size. A copy of the bytes is beside them, because
// encoding right into a batch would save one.
func BenchmarkCodec(b *testing.B) {
	whole := order{ID: "order-123", At: time.Date(2026, 11, 29, 19, 0, 0, 5, time.UTC), Attrs: map[string]string{"channel": "web", "country": "de"}}
	for i := range 10 {
		whole.Items = append(whole.Items, item{fmt.Sprint("sku-", i), i, 9.99, []string{"new", "sale"}})
	}
	benchmark(b, "64B", words{strings.Repeat("a", 64)})
	benchmark(b, "1024B", words{strings.Repeat("a", 1024)})
	benchmark(b, "order", whole)
}

func benchmark[M any](b *testing.B, name string, m M) {
	for _, as := range []string{codec.JSON, Name} {
		form := "json"
		if as != codec.JSON {
			form = as
		}
		data, err := codec.MarshalAs(as, m)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/encode/"+form, func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(len(data)), "B/msg")
			for b.Loop() {
				if _, err := codec.MarshalAs(as, m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/decode/"+form, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.UnmarshalAs[M](as, data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/copy/"+form, func(b *testing.B) {
			for b.Loop() {
				bytes.Clone(data)
			}
		})
	}
}
