// Package natsdial has the code that all packages that connect to NATS share.
package natsdial
