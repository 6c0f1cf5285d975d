// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// rebootsFile, in an instance's folder, says up to which reboot the programs of
// the instance have been ended.
const rebootsFile = "reboots"

// reboot ends the programs that live in the instance if it was rebooted since
// the last call. What a new namespace was asked before it was there is done.
//
// The note comes first, so a reboot may be lost when this process ends in the
// wrong moment, but programs started after one are never ended by it.
func (n *Netns) reboot(ctx context.Context, ns *namespace, spec Spec, fresh bool) error {
	path := filepath.Join(n.stateDir(spec.ID), rebootsFile)
	fail := func(err error) error { return fmt.Errorf("instance %s: reboot: %w", spec.ID, err) }
	note := func(count int) error { return os.WriteFile(path, []byte(strconv.Itoa(count)+"\n"), 0o600) }
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	done, _ := strconv.Atoi(strings.TrimSpace(string(text))) // no note, no reboot so far
	if done >= spec.Reboots {
		return nil
	}
	if err := note(spec.Reboots); err != nil {
		return fail(err)
	}
	if fresh {
		return nil
	}
	n.cfg.Log.Info("ending the programs of a rebooted instance", "instance", spec.ID)
	if err := endResidents(ctx, ns.file, n.cfg.StopGrace); err != nil {
		return fail(errors.Join(err, note(done))) // to be tried again
	}
	return nil
}
