package membership_test

import (
	"fmt"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// A timing for a store that is away for up to ten seconds. What is not set follows from
// the lease; what cannot work is refused.
func ExampleTiming() {
	t := membership.Timing{Lease: 15 * time.Second}.WithDefaults()
	fmt.Println("renews every", t.Renew, "and stops", t.Margin, "early:", t.Validate())
	t.Renew = time.Minute
	fmt.Println(t.Validate())
	// Output:
	// renews every 3s and stops 1.5s early: <nil>
	// bad option: Timing.Renew 1m0s: at least 250ms, and twice Renew plus Margin 1.5s must fit into Lease 15s
}
