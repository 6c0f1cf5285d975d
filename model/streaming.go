// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/hedgeward/hedgeward/secgroup"

// The kinds of rows of fleets and what belongs to them.
const (
	Fleets            Kind = "fleet"
	Builders          Kind = "builder"
	Stacks            Kind = "stack"
	StreamingSessions Kind = "streaming-session"
	DirectoryConfigs  Kind = "directory-config"
)

// The indexes of these tables, besides ByScope, which all of them have, and
// ByInstance, which StreamingSessions have.
const (
	ByFleet     = "fleet"     // Stacks, StreamingSessions: StreamingName of the fleet
	ByStreaming = "streaming" // Instances: StreamingValue of what they run for
)

// StreamingName returns the id of an account's fleet, stack or directory config in
// its table.
func StreamingName(s secgroup.Scope, name string) string { return ScopeID(s) + "." + name }

// BuilderID returns the id of a builder in Builders.
func BuilderID(s secgroup.Scope, kind secgroup.StreamingKind, name string) string {
	return ScopeID(s) + "." + string(kind) + "." + name
}

// StreamingValue is what ByStreaming looks up.
func StreamingValue(s secgroup.Scope, kind secgroup.StreamingKind, name string) string {
	return string(kind) + "/" + ScopeValue(s) + "/" + name
}

var (
	fleetSchema = schema[secgroup.Fleet]{
		kind: Fleets, id: func(f *secgroup.Fleet) string { return StreamingName(f.Scope, f.Name) },
		indexes: []index[secgroup.Fleet]{
			{ByScope, func(f *secgroup.Fleet) []string { return []string{ScopeValue(f.Scope)} }},
		},
	}
	builderSchema = schema[secgroup.Builder]{
		kind: Builders, id: func(b *secgroup.Builder) string { return BuilderID(b.Scope, b.Kind, b.Name) },
		indexes: []index[secgroup.Builder]{
			{ByScope, func(b *secgroup.Builder) []string { return []string{ScopeValue(b.Scope)} }},
		},
	}
	stackSchema = schema[secgroup.Stack]{
		kind: Stacks, id: func(s *secgroup.Stack) string { return StreamingName(s.Scope, s.Name) },
		indexes: []index[secgroup.Stack]{
			{ByScope, func(s *secgroup.Stack) []string { return []string{ScopeValue(s.Scope)} }},
			{ByFleet, func(s *secgroup.Stack) []string {
				if s.Fleet == "" {
					return nil
				}
				return []string{StreamingName(s.Scope, s.Fleet)}
			}},
		},
	}
	directoryConfigSchema = schema[secgroup.DirectoryConfig]{
		kind: DirectoryConfigs, id: func(d *secgroup.DirectoryConfig) string { return StreamingName(d.Scope, d.Name) },
		indexes: []index[secgroup.DirectoryConfig]{
			{ByScope, func(d *secgroup.DirectoryConfig) []string { return []string{ScopeValue(d.Scope)} }},
		},
	}
	streamingSessionSchema = schema[secgroup.StreamingSession]{
		kind: StreamingSessions, id: func(s *secgroup.StreamingSession) string { return s.ID },
		indexes: []index[secgroup.StreamingSession]{
			{ByScope, func(s *secgroup.StreamingSession) []string { return []string{ScopeValue(s.Scope)} }},
			{ByFleet, func(s *secgroup.StreamingSession) []string { return []string{StreamingName(s.Scope, s.Fleet)} }},
			{ByInstance, func(s *secgroup.StreamingSession) []string { return []string{s.Instance} }},
		},
	}
)

// streamingValues is the index ByStreaming.
func streamingValues(i *secgroup.Instance) []string {
	if i.Streaming == nil {
		return nil
	}
	return []string{StreamingValue(i.Streaming.Owner, i.Streaming.Kind, i.Streaming.Name)}
}
