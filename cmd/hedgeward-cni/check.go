// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/hedgeward/hedgeward/attach"
)

// Codes of the plugin's own, from where the specification of CNI lets them begin.
const (
	codeRefused uint = 100 // by who keeps the interfaces; the message is his
	codeOpen    uint = 101 // CHECK: the container's interface is not enforced as ADD left it
)

// check verifies that a container's interface is enforced as ADD left it.
func check(ctx context.Context, args *skel.CmdArgs) error {
	c, refused := readAll(args.StdinData)
	if refused != nil {
		return refused
	}
	if c.PrevResult == nil {
		return bad("CHECK needs the result of ADD as prevResult, and network %s has none", c.Name)
	}
	result, err := current.NewResultFromResult(c.PrevResult)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "the result of ADD cannot be read", err.Error())
	}
	addresses, refused := addressesOf(result, args)
	if refused != nil {
		return refused
	}
	on, err := find(args.Netns, args.IfName, c.Device)
	if err != nil {
		return err
	}
	all, err := c.client().List(ctx)
	if err != nil {
		return answer("ask what is attached", err)
	}
	its := words(c.Name, args.ContainerID, args.IfName)
	for _, i := range all {
		if i.For != its {
			continue
		}
		open := func(format string, args ...any) error {
			return types.NewError(codeOpen, i.ENI+" of the container "+fmt.Sprintf(format, args...), i.Detail)
		}
		switch {
		case i.State == attach.Behind || i.State == attach.Closed:
			return types.NewError(types.ErrTryAgainLater, fmt.Sprintf("%s of the container is %s", i.ENI, i.State), i.Detail)
		case i.State != attach.Enforced:
			return open("is %s", i.State)
		case i.Index != on.index:
			return open("is enforced at %s, and the container's interface is %s now", i.Device, on.device)
		case i.MAC != on.mac:
			return open("has MAC address %s, and the container sends with %s", i.MAC, on.mac)
		case !sameAddresses(i.Addresses, addresses):
			return open("has the addresses %q, and the container %q", i.Addresses, addresses)
		}
		return nil
	}
	return types.NewError(codeOpen, fmt.Sprintf("no interface is attached for %s of container %s; it was detached, or another host's agent answers", args.IfName, args.ContainerID), "")
}

// status says whether ADD can work: the configuration is complete, and the host can
// claim interfaces.
func status(ctx context.Context, args *skel.CmdArgs) error {
	c, refused := readAll(args.StdinData)
	if refused != nil {
		return refused
	}
	if err := c.client().Ready(ctx); err != nil {
		// Containers that are attached go on, with the rules that the host has.
		return types.NewError(types.ErrPluginNotAvailable, "no interface can be attached now; those that are stay enforced", err.Error())
	}
	return nil
}

// answer turns what the host's socket said into the error that the runtime is told,
// with the code that says whether to try again.
func answer(doing string, err error) *types.Error {
	refused := new(attach.Error)
	if !errors.As(err, &refused) {
		return types.NewError(types.ErrTryAgainLater, "cannot "+doing, err.Error())
	}
	code := codeRefused
	switch refused.Code {
	case attach.NotEnforced, attach.Unavailable, "IncorrectState":
		code = types.ErrTryAgainLater
	case attach.BadRequest, "InvalidParameterValue", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", "InvalidSecurityGroupID.NotFound", "InvalidGroup.NotFound":
		code = types.ErrInvalidNetworkConfig
	}
	return types.NewError(code, "cannot "+doing, refused.Code+": "+refused.Message)
}
