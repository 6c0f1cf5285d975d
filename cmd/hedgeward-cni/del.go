// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/hedgeward/hedgeward/attach"
)

// del gives back what a container's interface was claimed as. It asks neither the
// container's namespace nor the device, which may be gone: the claim says what it is
// for. Where nothing is claimed, nothing is to be done.
func del(ctx context.Context, args *skel.CmdArgs) error {
	c, refused := read(args.StdinData)
	if refused != nil {
		return refused
	}
	its := words(c.Name, args.ContainerID, args.IfName)
	return release(ctx, c.client(), func(i attach.Interface) bool { return i.For == its })
}

// collect gives back what is claimed for attachments to the network that are not
// among the valid ones. It goes on after a failure, and reports all of them.
func collect(ctx context.Context, args *skel.CmdArgs) error {
	c, refused := read(args.StdinData)
	if refused != nil {
		return refused
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(args.StdinData, &has); err != nil || has["cni.dev/valid-attachments"] == nil {
		return bad("GC without cni.dev/valid-attachments would take away every container's interface; give the list, empty if there are none")
	}
	valid := map[string]bool{}
	for _, a := range c.ValidAttachments {
		valid[words(c.Name, a.ContainerID, a.IfName)] = true
	}
	return release(ctx, c.client(), func(i attach.Interface) bool {
		return strings.HasPrefix(i.For, networkWords(c.Name)) && !valid[i.For]
	})
}

// release brings the devices of the claims that match down, so that nothing passes
// them unjudged, and gives the claims up.
func release(ctx context.Context, client *attach.Client, match func(attach.Interface) bool) error {
	all, err := client.List(ctx)
	if err != nil {
		return answer("ask what is attached", err)
	}
	var failed []error
	for _, i := range all {
		if !match(i) {
			continue
		}
		if err := shut(i.Index); err != nil { // open, nobody would judge it
			failed = append(failed, err)
			continue
		}
		if err := client.Detach(ctx, i.ENI); err != nil && !attach.Is(err, attach.NotClaimed) {
			failed = append(failed, answer("give back "+i.ENI+" at "+i.Device, err))
		}
	}
	if len(failed) < 2 {
		return errors.Join(failed...)
	}
	code := types.ErrTryAgainLater
	for _, f := range failed {
		if e := new(types.Error); !errors.As(f, &e) || e.Code != code {
			code = types.ErrInternal
		}
	}
	return types.NewError(code, fmt.Sprintf("%d interfaces could not be given back", len(failed)), errors.Join(failed...).Error())
}
