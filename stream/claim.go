// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// Claim asks for an interface at a device that somebody else made on a host
// (docs/spec/ec2-api.md section 5.7).
type Claim struct {
	Interface string // one that exists; "": Made says which is made
	Device    string
	MAC       net.HardwareAddr // of the far end; nil: the interface's own stands
	Own       bool             // the device is a NIC of the host itself
	For       string           // what is behind the device, in the words of who asks; "" for nothing said
	Made      Made
}

// Made is an interface that is made with its claim.
type Made struct {
	Subnet      string
	Groups      []string // ids or names
	Addresses   []netip.Addr
	Description string
}

// Claims keeps what hosts have claimed. It is told which host asks by who that is to
// the server, never by what the host says. Refusals are *secgroup.Error; ErrForeign as
// well if the interface is another's.
type Claims interface {
	Claim(ctx context.Context, host string, c Claim) (eni string, err error)
	// Release gives an interface up. It reports whether the host still has to take it
	// off its device, and say so by done.
	Release(ctx context.Context, host, eni string, done bool) (pending bool, err error)
}

// What a claim may hold, far above what is of use: all of it goes into the store.
const (
	maxClaimed = 256  // groups, and addresses
	maxWords   = 1024 // bytes of a description
)

// claim takes a host's claim.
func (s *Server) claim(ctx context.Context, in *connect.Request[pb.Claim]) (*connect.Response[pb.Claimed], error) {
	r := ctx.Value(requestKey{}).(*request)
	c, err := decodeClaim(in.Msg)
	if err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	eni, err := s.cfg.Claims.Claim(ctx, r.host, c)
	s.noteForeign(r, err)
	if no := new(secgroup.Error); errors.As(err, &no) {
		return connect.NewResponse(&pb.Claimed{Refusal: &pb.Refusal{Code: no.Code, Message: no.Message}}), nil
	}
	if err != nil {
		s.cfg.Log.Error("cannot take a claim", "host", r.host, "device", c.Device, "interface", c.Interface, "error", err)
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("cannot take the claim now"))
	}
	return connect.NewResponse(&pb.Claimed{Interface: eni}), nil
}

// release takes a host's word that it gives up, or has given up, an interface.
func (s *Server) release(ctx context.Context, in *connect.Request[pb.Release]) (*connect.Response[pb.Released], error) {
	r := ctx.Value(requestKey{}).(*request)
	eni := in.Msg.GetInterface()
	if err := checkName(eni); err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	pending, err := s.cfg.Claims.Release(ctx, r.host, eni, in.Msg.GetDone())
	s.noteForeign(r, err)
	if no := new(secgroup.Error); errors.As(err, &no) {
		return connect.NewResponse(&pb.Released{Refusal: &pb.Refusal{Code: no.Code, Message: no.Message}}), nil
	}
	if err != nil {
		s.cfg.Log.Error("cannot take a release", "host", r.host, "interface", eni, "error", err)
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("cannot take the release now"))
	}
	return connect.NewResponse(&pb.Released{Pending: pending}), nil
}

// noteForeign counts and logs that a host wanted what is another's. Its answer is the
// refusal with its code, as for any claim.
func (s *Server) noteForeign(r *request, err error) {
	if errors.Is(err, ErrForeign) {
		s.refuse(r, RefusedForeign, connect.CodePermissionDenied, err)
	}
}

// decodeClaim checks the form of a claim; what it means is for Claims to check.
func decodeClaim(m *pb.Claim) (Claim, error) {
	c := Claim{Interface: m.GetInterface(), Device: m.GetDevice(), MAC: m.GetMac(), Own: m.GetOwn(), For: m.GetFor()}
	if err := checkName(c.Device); err != nil {
		return c, err
	}
	if n := len(c.MAC); n == 0 {
		c.MAC = nil
	} else if n != 6 {
		return c, fmt.Errorf("a MAC address of %d bytes", n)
	}
	if c.For != "" {
		if err := checkName(c.For); err != nil {
			return c, err
		}
	}
	made := m.GetMade()
	if c.Interface != "" {
		if made != nil {
			return c, errors.New("a claim of an interface that exists and is to be made")
		}
		return c, checkName(c.Interface)
	}
	if len(made.GetGroups()) > maxClaimed || len(made.GetAddresses()) > maxClaimed || len(made.GetDescription()) > maxWords {
		return c, errors.New("a claim that is too large")
	}
	c.Made = Made{Subnet: made.GetSubnet(), Groups: made.GetGroups(), Description: made.GetDescription()}
	for _, b := range made.GetAddresses() {
		a, ok := netip.AddrFromSlice(b)
		if !ok || a.Is4In6() {
			return c, fmt.Errorf("an address of %d bytes that is none", len(b))
		}
		c.Made.Addresses = append(c.Made.Addresses, a)
	}
	return c, checkName(c.Made.Subnet)
}

// Claim claims an interface for a device of this host and returns its id. Refusals are
// *secgroup.Error.
func (c *Client) Claim(ctx context.Context, of Claim) (eni string, err error) {
	m := &pb.Claim{Interface: of.Interface, Device: of.Device, Mac: of.MAC, Own: of.Own, For: of.For}
	if of.Interface == "" {
		m.Made = &pb.Made{Subnet: of.Made.Subnet, Groups: of.Made.Groups, Description: of.Made.Description}
		for _, a := range of.Made.Addresses {
			m.Made.Addresses = append(m.Made.Addresses, a.AsSlice())
		}
	}
	out, err := call[pb.Claim, pb.Claimed](ctx, c, claimPath, m)
	if err != nil {
		return "", fmt.Errorf("claim an interface for device %s: %w", of.Device, err)
	}
	return out.GetInterface(), refusal(out.GetRefusal())
}

// Release gives an interface up, or says that this is done. It reports whether this
// host still has to say so. Refusals are *secgroup.Error.
func (c *Client) Release(ctx context.Context, eni string, done bool) (pending bool, err error) {
	out, err := call[pb.Release, pb.Released](ctx, c, releasePath, &pb.Release{Interface: eni, Done: done})
	if err != nil {
		return false, fmt.Errorf("release interface %s: %w", eni, err)
	}
	return out.GetPending(), refusal(out.GetRefusal())
}

// refusal returns a refusal as an error, nil for none.
func refusal(r *pb.Refusal) error {
	if r == nil {
		return nil
	}
	return &secgroup.Error{Code: r.GetCode(), Message: r.GetMessage()}
}
