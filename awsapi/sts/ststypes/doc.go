// SPDX-License-Identifier: Apache-2.0

// Package ststypes holds the requests, results and structures of AWS STS as its
// published model declares them, and the table of its operations. It is
// generated from awsapi/models/sts.json and holds no behaviour; the tags are
// explained in awsapi/wire.
//
// Fields are named as the SDKs name them. Scalars and structures are pointers
// and nil when absent; a nil slice is absent, an empty one is present and empty.
package ststypes

//go:generate go run ../../../internal/gen/apigen -model ../../models/sts.json -package ststypes -out .
