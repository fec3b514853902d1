// Package natsdial is what the packages that connect to NATS share.
package natsdial
