// Package bounds has the largest sizes of messages and errors. docs/limits.md lists them.
package bounds
