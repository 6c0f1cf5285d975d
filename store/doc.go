// SPDX-License-Identifier: Apache-2.0

// Package store keeps bytes under keys, durably and with revisions, in etcd:
// inside this process (Embedded) or in a cluster that exists already (Dial).
// Both give the same Store; there is no second implementation and tests use the
// embedded one.
//
// It knows nothing of what the bytes mean; package model does. Only model and
// control's committer may import it, and cmd to open it.
package store
