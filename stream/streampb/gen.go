// SPDX-License-Identifier: Apache-2.0

// Package streampb is the messages between hosts and servers, generated from
// stream.proto. Only package stream knows what they mean.
package streampb

//go:generate sh -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --go_out=. --go_opt=paths=source_relative stream.proto"
