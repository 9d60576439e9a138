// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// hashLength is in hexadecimal digits: 64 bits, plenty to tell the revisions of one object apart.
const hashLength = 16

// stamp puts the hash of its content on each object and returns that of all of them. What it was planned for is no part
// of the content: the API server need not be asked about that.
func stamp(objects []Object, plannedFor string) (string, error) {
	hashes := make([]string, 0, len(objects))
	for _, object := range objects {
		// encoding/json writes struct fields in their order and map keys sorted, so equal objects give equal text.
		text, err := json.Marshal(object)
		if err != nil {
			return "", err
		}
		hash := digest(text)
		annotations := map[string]string{v1beta1.AnnotationWorkloadHash: hash}
		if plannedFor != "" {
			annotations[v1beta1.AnnotationPlannedFor] = plannedFor
		}
		object.SetAnnotations(annotations)
		hashes = append(hashes, hash)
	}
	if len(hashes) == 1 {
		return hashes[0], nil
	}
	return digest([]byte(strings.Join(hashes, ","))), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:hashLength]
}
