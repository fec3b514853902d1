package outcome_test

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/outcome"
)

// OutOfStock is an error with fields. Both programs register it.
type OutOfStock struct{ Item string }

func (e *OutOfStock) Error() string { return "no more " + e.Item }

func init() { outcome.RegisterErrorType[*OutOfStock]("example.out_of_stock") }

// What a transport carries of a handler's error, and what its caller finds.
func Example() {
	sent := outcome.HandlerError(fmt.Errorf("order: %w", &OutOfStock{Item: "pears"}))
	got := outcome.Resolve(&outcome.Error{Code: sent.Code, Outcome: sent.Outcome, Message: sent.Message, Detail: sent.Detail})

	if e, ok := errors.AsType[*OutOfStock](got); ok {
		fmt.Println("order something else than", e.Item)
	}
	fmt.Println(got)
	fmt.Println(outcome.CodeOf(got), outcome.Of(got), outcome.Of(got).NeverRan())
	// Output:
	// order something else than pears
	// order: no more pears
	// example.out_of_stock ran and failed false
}
