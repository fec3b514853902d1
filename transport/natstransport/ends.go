// What tells the callers of calls that end together

package natstransport

import "github.com/clstr-go/clstr/outcome"

// decideAll tells the callers of calls that were taken, and returns when all know. Where a sender has gone on, that may run
// code of the application's, its metrics say, which may end the goroutine. So it has one of its own: the goroutine here watches
// over a connection, or sends.
func decideAll(calls []*call, why func(*call) *outcome.Error) {
	var noted []*call
	for _, c := range calls {
		if c.told != nil {
			noted = append(noted, c)
			continue
		}
		c.decide(nil, why(c))
	}
	for len(noted) > 0 {
		over := make(chan struct{})
		go func() { // ends with the last, or where it is ended
			defer close(over)
			for len(noted) > 0 {
				c := noted[0]
				noted = noted[1:]
				c.decide(nil, why(c))
			}
		}()
		<-over
	}
}
