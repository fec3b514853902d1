// Package bounds has what a message and an error may carry at most. docs/limits.md lists it.
package bounds
