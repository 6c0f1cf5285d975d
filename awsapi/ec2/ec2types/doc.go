// SPDX-License-Identifier: Apache-2.0

// Package ec2types holds the requests, results and structures of Amazon EC2 as its
// published model declares them, and the table of its operations. It is
// generated from awsapi/models/ec2.json and holds no behaviour; the tags are
// explained in awsapi/wire.
//
// Fields are named as the SDKs name them. Scalars and structures are pointers
// and nil when absent; a nil slice is absent, an empty one is present and empty.
package ec2types

//go:generate go run ../../../internal/gen/apigen -model ../../models/ec2.json -package ec2types -out .
