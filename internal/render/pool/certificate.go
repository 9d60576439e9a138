// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	corev1 "k8s.io/api/core/v1"
)

const (
	certificatePath = "/certificates"
	certificateName = "certificate"
)

// certificateFlags make the EPP serve the mounted certificate, and the next one as soon as it is there. The value of the
// second is for charts that write all flags as name=value; the others put it behind the flag, where the EPP ignores it.
func certificateFlags() []flagValue {
	return []flagValue{{Name: "cert-path", Value: certificatePath}, {Name: "enable-cert-reload", Value: "true"}}
}

func certificateVolume(s settings) ([]corev1.Volume, []corev1.VolumeMount) {
	volume := corev1.Volume{Name: certificateName, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: s.tlsSecret},
	}}
	mount := corev1.VolumeMount{Name: certificateName, MountPath: certificatePath, ReadOnly: true}
	return []corev1.Volume{volume}, []corev1.VolumeMount{mount}
}
