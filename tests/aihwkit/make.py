"""Makes the files of this folder with aihwkit: each configuration as it prints, and as tools/export_rpu_config.py has it.

    python make.py
"""

import json
import pathlib
import sys
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../tools"))

from export_rpu_config import document  # noqa: E402

from aihwkit.inference import (  # noqa: E402
    DualPairConductanceConverter,
    NPairConductanceConverter,
    PCMLikeNoiseModel,
    SinglePairConductanceConverter,
)
from aihwkit.inference.compensation.drift import (  # noqa: E402
    GlobalDriftCompensationWithExactReference,
    PerColumnDriftCompensation,
)
from aihwkit.inference.converter.conductance import CustomPairConductanceConverter  # noqa: E402
from aihwkit.inference.noise.custom import StateIndependentNoiseModel  # noqa: E402
from aihwkit.inference.noise.hermes import HermesNoiseModel  # noqa: E402
from aihwkit.inference.noise.pcm import CustomDriftPCMLikeNoiseModel  # noqa: E402
from aihwkit.inference.noise.reram import ReRamCMONoiseModel, ReRamWan2022NoiseModel  # noqa: E402
from aihwkit.simulator import presets as all_presets  # noqa: E402
from aihwkit.simulator.configs import (  # noqa: E402
    DigitalRankUpdateRPUConfig,
    FloatingPointRPUConfig,
    InferenceRPUConfig,
    SingleRPUConfig,
    TorchInferenceRPUConfig,
    UnitCellRPUConfig,
    build_config,
)
from aihwkit.simulator.configs.compounds import *  # noqa: E402, F403
from aihwkit.simulator.configs.devices import *  # noqa: E402, F403
from aihwkit.simulator.configs.configs import TorchInferenceRPUConfigIRDropT  # noqa: E402
from aihwkit.simulator.parameters import *  # noqa: E402, F403
from aihwkit.simulator.parameters.enums import RPUDataType  # noqa: E402
from aihwkit.simulator.parameters.runtime import RuntimeParameter  # noqa: E402
from aihwkit.simulator.presets import FloatingPointPreset, StandardHWATrainingPreset  # noqa: E402
from aihwkit.simulator.presets.utils import PresetIOParameters, StandardIOParameters  # noqa: E402
from aihwkit.simulator.presets.web import (  # noqa: E402
    OldWebComposerInferenceRPUConfig,
    WebComposerInferenceRPUConfig,
    WebComposerIOParameters,
)


def inference(**sections):
    """A configuration with some sections set, those that the class's constructor does not take as well."""
    config = InferenceRPUConfig()
    for name, section in sections.items():
        setattr(config, name, section)
    return config


@dataclass
class OwnIOParameters(IOParameters):
    """What users write."""

    out_noise: float = 0.01


@dataclass
class OwnRPUConfig(InferenceRPUConfig):
    """What users write."""

    forward: IOParameters = field(default_factory=lambda: OwnIOParameters(out_bound=8.0))
    seed_of_mine: int = 3


converter = SinglePairConductanceConverter(g_max=33.333, g_min=1.5)
drift_table = {"g_lst": [0.0, 10.0, 25.0], "nu_mean_lst": [0.08, 0.05, 0.03], "nu_std_lst": [0.03, 0.02, 0.01]}

CASES = {
    "default": InferenceRPUConfig(),
    "torch": TorchInferenceRPUConfig(),
    "floating_point": FloatingPointRPUConfig(),
    "preset_floating_point": FloatingPointPreset(),
    "preset_standard_hwa_training": StandardHWATrainingPreset(),
    "preset_web_composer": WebComposerInferenceRPUConfig(),
    "preset_old_web_composer": OldWebComposerInferenceRPUConfig(),
    "preset_io": inference(forward=PresetIOParameters()),
    "preset_io_standard": inference(forward=StandardIOParameters(ir_drop=0.5)),
    "preset_io_web": inference(forward=WebComposerIOParameters(out_noise=0.06)),
    "forward": inference(
        forward=IOParameters(
            mv_type=AnalogMVType.POS_NEG_SEPARATE,
            inp_res=1.0 / 62,
            inp_sto_round=True,
            inp_noise=0.01,
            out_bound=-1.0,
            out_res=-1,
            w_noise=0.02,
            w_noise_type=WeightNoiseType.ADDITIVE_CONSTANT,
            noise_management=NoiseManagementType.AVERAGE_ABS_MAX,
            bound_management=BoundManagementType.ITERATIVE_WORST_CASE,
            max_bm_factor=4,
        ),
        backward=IOParameters(out_noise=0.2),
    ),
    "forward_not_here": inference(
        forward=IOParameters(bound_management=BoundManagementType.SHIFT, out_asymmetry=-0.5, nm_thres=float("nan")),
        backward=IOParameters(bound_management=BoundManagementType.ITERATIVE_WORST_CASE),
        mapping=MappingParameter(weight_scaling_lr_compensation=True, max_input_size=128),
        update=UpdateParameters(desired_bl=10),
        runtime=RuntimeParameter(data_type=RPUDataType.DOUBLE),
    ),
    "input_range": inference(
        pre_post=PrePostProcessingParameter(
            input_range=InputRangeParameter(enable=True, init_value=2.0, init_from_data=10, decay=0.01)
        ),
        mapping=MappingParameter(weight_scaling_omega=0.8, learn_out_scaling=True),
    ),
    "modifier_add_normal": inference(
        modifier=WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, std_dev=0.1, pdrop=0.05),
        clip=WeightClipParameter(type=WeightClipType.LAYER_GAUSSIAN, sigma=2.0),
        remap=WeightRemapParameter(type=WeightRemapType.LAYERWISE_SYMMETRIC, remapped_wmax=0.9),
    ),
    "modifier_poly": inference(
        modifier=WeightModifierParameter(
            type=WeightModifierType.POLY, std_dev=1.0, coeffs=[0.26348, 1.965, -1.1731], rel_to_actual_wmax=False
        ),
        clip=WeightClipParameter(type=WeightClipType.AVERAGE_CHANNEL_MAX, fixed_value=1.0),
    ),
    "modifier_pcm_noise": inference(
        modifier=WeightModifierParameter(
            type=WeightModifierType.PCM_NOISE, std_dev=1.0, pcm_t_inference=3600.0, enable_during_test=True
        ),
        remap=WeightRemapParameter(type=WeightRemapType.CHANNELWISE_SYMMETRIC, max_scale_range=3.0),
    ),
    "noise_none": inference(noise_model=None, drift_compensation=None),
    "noise_pcm": inference(
        noise_model=PCMLikeNoiseModel(g_max=10.0, t_0=30.0, read_noise_scale=0.5),
        drift_compensation=PerColumnDriftCompensation(),
    ),
    "noise_pcm_own_coefficients": inference(
        noise_model=PCMLikeNoiseModel(prog_coeff=[0.5, 1.0], g_converter=converter),
        drift_compensation=GlobalDriftCompensationWithExactReference(),
    ),
    "noise_pcm_custom_drift": inference(noise_model=CustomDriftPCMLikeNoiseModel(drift_table)),
    "noise_hermes_1": inference(noise_model=HermesNoiseModel(num_devices=1)),
    "noise_hermes_2": inference(noise_model=HermesNoiseModel(num_devices=2, drift_scale=0.0)),
    "noise_state_independent": inference(noise_model=StateIndependentNoiseModel(drift_nu_mean=0.06, g_max=20.0)),
    "noise_reram_wan": inference(noise_model=ReRamWan2022NoiseModel(noise_scale=2.0)),
    "noise_reram_cmo": inference(noise_model=ReRamCMONoiseModel(acceptance_range=2)),
    "converter_dual_pair": inference(
        noise_model=PCMLikeNoiseModel(g_converter=DualPairConductanceConverter(f_lst=[1.0, 3.0], g_max=25.0))
    ),
    "converter_n_pair": inference(
        noise_model=PCMLikeNoiseModel(g_converter=NPairConductanceConverter(f_lst=[1.0, 2.0, 4.0], g_max=20.0))
    ),
    "converter_custom_pair": inference(
        noise_model=PCMLikeNoiseModel(
            g_converter=CustomPairConductanceConverter(
                f_lst=[1.0],
                g_lst=[[0.0, 0.0, 0.0, 12.5, 25.0], [25.0, 12.5, 0.0, 0.0, 0.0]],
                g_max=25.0,
                g_min=0.0,
            )
        )
    ),
    "ir_drop_t": TorchInferenceRPUConfigIRDropT(
        forward=IOParametersIRDropT(ir_drop_segments=4, mv_type=AnalogMVType.ONE_PASS)
    ),
    "pulsed": SingleRPUConfig(),
    "own_classes": OwnRPUConfig(),
}


@dataclass
class OwnSoftBounds(SoftBoundsDevice):
    """What users write."""

    dw_min: float = 0.003


PULSED = {
    "pulsed_single": SingleRPUConfig(
        device=LinearStepDevice(gamma_up=0.1, drift=DriftParameter(nu=0.05), construction_seed=7),
        update=UpdateParameters(desired_bl=10, pulse_type=PulseType.MEAN_COUNT),
        backward=IOParameters(out_noise=0.2),
    ),
    "pulsed_pieces": SingleRPUConfig(
        device=PiecewiseStepDevice(piecewise_up=[1.0, 0.5, 0.1], piecewise_down=[0.2, 0.5, 1.0])
    ),
    "pulsed_reference": UnitCellRPUConfig(
        device=ReferenceUnitCell([SoftBoundsDevice(w_max=0.5), SoftBoundsDevice()]),
        mapping=MappingParameter(weight_scaling_omega=0.6),
    ),
    "pulsed_vector": UnitCellRPUConfig(
        device=VectorUnitCell([ConstantStepDevice(), OwnSoftBounds()], gamma_vec=[1.0, 0.5])
    ),
    "pulsed_buffered": UnitCellRPUConfig(
        device=BufferedTransferCompound(
            [SoftBoundsReferenceDevice(subtract_symmetry_point=True), LinearStepDevice()],
            transfer_update=UpdateParameters(desired_bl=3),
            transfer_forward=IOParameters(out_res=-1.0),
        )
    ),
    "pulsed_built": build_config("agad", SoftBoundsReferenceDevice()),
    "pulsed_mixed": DigitalRankUpdateRPUConfig(
        device=MixedPrecisionCompound(device=PowStepDevice(pow_gamma=1.5), n_x_bins=10)
    ),
    "pulsed_preset": all_presets.ChoppedTTv2EcRamPreset(),
    "pulsed_preset_pairs": all_presets.PCMPreset(),
    "pulsed_preset_mixed": all_presets.MixedPrecisionReRamESPreset(),
    "pulsed_floating_point": FloatingPointRPUConfig(device=FloatingPointDevice(diffusion=0.01)),
}


def presets():
    """All presets of configurations that train on the chip."""
    names = sorted(name for name in dir(all_presets) if name.endswith("Preset"))
    inference = ["StandardHWATrainingPreset", "FloatingPointPreset"]
    return [getattr(all_presets, name)() for name in names if name not in inference]


def main():
    CASES.update(PULSED)
    (HERE / "pulsed_presets.txt").write_text("\n\n".join(str(config) for config in presets()) + "\n")
    for name, config in CASES.items():
        (HERE / f"{name}.txt").write_text(str(config) + "\n")
        text = json.dumps(document(config), separators=(",", ":"), allow_nan=False)
        (HERE / f"{name}.json").write_text(text + "\n")
    (HERE / "repr.txt").write_text(repr(CASES["preset_standard_hwa_training"]) + "\n")


if __name__ == "__main__":
    main()
