"""The values of DICOM's defined terms that may be repeated to the user.

Other values may hold anything a person typed, a patient's name among it.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MODALITIES = _words(
    "AR ASMT AU BDUS BI BMD CR CT DOC DX ECG EPS ES FID GM HD IO IVOCT IVUS KO LS M3D MG MR NM"
    " OAM OCT OP OPT OPV OT PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTPLAN RTRECORD"
    " RTSTRUCT RWV SC SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XC"
)
_BODY_PARTS = _words(
    "ABDOMEN ANKLE ARM BACK BRAIN BREAST CALF CHEST CSPINE ELBOW FOOT FOREARM HAND HEAD HEART HIP"
    " KNEE LIVER LSPINE NECK PELVIS PROSTATE SHOULDER SPINE TSPINE WHOLEBODY WRIST"
)
_THIGH_WORDS = ("THIGH", "LEG", "FEMUR", "EXTREMITY", "EXTREMITIES", "HAMSTRING", "QUADRICEPS")
_IMAGE_TYPES = _words(
    "M P R I MAGNITUDE PHASE REAL IMAGINARY MIXED NONE ADC AXIAL LOCALIZER SCOUT OTHER DIXON WATER"
    " FAT IN_PHASE OUT_PHASE OPP_PHASE OUT_OF_PHASE W F IP OP FF FAT_FRACTION FAT_FRAC DIFFUSION"
    " DERIVED ORIGINAL PRIMARY SECONDARY M_FFE M_SE M_IR R2 R2_STAR T1 T2 T2_STAR FFE SE IR ND"
    " NORM DIS2D DIS3D MOSAIC MFSPLIT TRACEW FA MPR MIP PROJECTION SUBTRACTION ISOTROPIC VOLUME"
    " IN OUT OPP B0 MAP PROTON_DENSITY ANGIO PERFUSION"
)

CHANNEL_TERMS = {
    "water": frozenset({"W", "WATER"}),
    "fat": frozenset({"F", "FAT"}),
    "in-phase": frozenset({"IP", "IN_PHASE", "IN"}),
    "out-of-phase": frozenset({"OP", "OUT_PHASE", "OPP_PHASE", "OUT_OF_PHASE", "OPP", "OUT"}),
}
"""How the makers of scanners name the images of a Dixon scan in Image Type."""

LOCALIZER_TERMS = frozenset({"LOCALIZER", "SCOUT"})
"""What Image Type calls an image that only shows where others lie."""


def known_modality(value: str) -> str:
    """Return a modality, ``""`` where there is none, or that it is another one."""
    return value if value in _MODALITIES or not value else "another modality"


def known_body_part(value: str) -> str:
    """Return a body part, ``"THIGH"`` for any part of it, ``"another"`` or ``""``."""
    value = value.upper().strip()
    if any(word in value for word in _THIGH_WORDS):
        return "THIGH"
    return value if value in _BODY_PARTS or not value else "another"


def known_image_type(value: str) -> str:
    """Return the defined terms among the words of an image type."""
    known = [word for word in value.split() if word in _IMAGE_TYPES]
    return " ".join(known) or "another image type"


def shows_channel(image_type: object, channel: str | None) -> bool:
    """Tell whether an image type names a Dixon channel, and no other one."""
    if not isinstance(image_type, str):
        return False
    words = set(image_type.split())
    return [name for name, terms in CHANNEL_TERMS.items() if words & terms] == [channel]
