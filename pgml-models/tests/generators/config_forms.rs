//! What `config.json` says in other words than those of transformers 5, and what it must not say.

use pgml_models::device::Placement;
use pgml_models::transformers::CausalLm;
use serde_json::{Value, json};

use super::golden::{assert_close, config, folder, load, load_with};
use super::{cache, step};

/// The configuration of `name` with those fields changed, a null for a field that is not there.
fn changed(name: &str, changes: &Value) -> Value {
    let mut config = config(&folder(name));
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    config.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    config
}

fn last_scores(model: &CausalLm, ids: &[u32]) -> Vec<f32> {
    step(model, &[(ids, cache(model))], 1).remove(0)
}

#[test]
fn names_that_checkpoints_have_had_mean_the_same() {
    let short = json!([1.0, 1.25, 1.5]);
    let long = json!([1.5, 2.0, 4.0]);
    for (name, changes) in [
        ("gpt_neox", json!({"rope_parameters": null, "rotary_pct": 0.5, "rotary_emb_base": 10000})),
        ("gpt_neox", json!({"use_parallel_residual": null, "rope_scaling": null})),
        ("phi", json!({"rope_parameters": null, "partial_rotary_factor": 0.5, "rope_theta": 10000.0})),
        ("phi", json!({"rope_parameters": null, "num_key_value_heads": 2})),
        ("phi3", json!({"rope_parameters": null, "rope_theta": 10000.0, "rope_scaling": null})),
        (
            "phi3_long",
            json!({
                "rope_parameters": null, "rope_theta": 100.0, "partial_rotary_factor": 0.5,
                "rope_scaling": {"type": "su", "short_factor": short, "long_factor": long},
            }),
        ),
        (
            "phi3_long",
            json!({
                "rope_parameters": null, "rope_theta": 100.0, "partial_rotary_factor": 0.5,
                "rope_scaling": {"type": "yarn", "short_factor": short, "long_factor": long},
            }),
        ),
        ("gemma", json!({"hidden_act": "gelu"})),
        ("gemma", json!({"hidden_act": null, "hidden_activation": null})),
        ("gemma2", json!({"layer_types": null, "rope_parameters": null, "rope_theta": 10000.0})),
        ("falcon", json!({"parallel_attn": null, "multi_query": null, "new_decoder_architecture": null})),
        ("falcon_groups", json!({"num_ln_in_parallel_attn": null})),
        ("mixtral", json!({"rope_parameters": null})),
        ("qwen3_moe", json!({"num_local_experts": null, "num_experts": 5})),
        ("qwen2_moe", json!({"layer_types": null, "mlp_only_layers": null, "decoder_sparse_step": null})),
        ("bloom", json!({"hidden_size": null, "n_embed": 32, "n_head": null, "num_attention_heads": 4})),
        ("gpt_neo", json!({"attention_layers": null})),
        ("smollm3", json!({"no_rope_layers": null, "layer_types": null})),
        ("llama", json!({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}})),
    ] {
        let golden = load(&folder(name), &Placement::cpu());
        let model = load_with(&folder(name), &changed(name, &changes), &Placement::cpu())
            .unwrap_or_else(|error| panic!("{name} {changes}: {error}"));
        for case in &golden.cases {
            let want = &case.logits[case.logits.len() - model.vocabulary()..];
            assert_close(&last_scores(&model, &case.ids), want, &format!("{name} {changes}, {:?}", case.prompt));
        }
    }
}

#[test]
fn fields_that_count_change_what_is_computed() {
    for (name, changes) in [
        ("gemma2", json!({"attn_logit_softcapping": null})),
        ("gemma2", json!({"final_logit_softcapping": 2.0})),
        ("gemma2", json!({"query_pre_attn_scalar": 16})),
        ("gpt_neox", json!({"use_parallel_residual": false})),
        ("phi3_long", json!({"max_position_embeddings": 20})),
        ("phi3_long", json!({"rope_parameters": null})),
        ("starcoder2", json!({"sliding_window": 3})),
        ("qwen2_moe", json!({"norm_topk_prob": true})),
        ("mixtral", json!({"num_experts_per_tok": 3})),
        ("granite", json!({"logits_scaling": 3.0})),
        ("granite", json!({"residual_multiplier": 0.6})),
        ("cohere", json!({"logit_scale": 0.5})),
        ("gpt_neo", json!({"attention_layers": ["global", "global"]})),
        ("smollm3", json!({"no_rope_layers": [1, 1, 1]})),
    ] {
        let golden = load(&folder(name), &Placement::cpu());
        let model = load_with(&folder(name), &changed(name, &changes), &Placement::cpu()).expect(name);
        let differs = golden.cases.iter().any(|case| {
            let want = &case.logits[case.logits.len() - model.vocabulary()..];
            last_scores(&model, &case.ids).iter().zip(want).any(|(a, b)| (a - b).abs() > 1e-3)
        });
        assert!(differs, "{name} {changes} changes nothing");
    }
}

#[test]
fn what_cannot_be_computed_is_an_error_that_names_the_field() {
    let factors = |short: usize| {
        let [short, long] = [short, 3].map(|n| vec![1.5; n]);
        json!({"rope_parameters": {"rope_type": "longrope", "short_factor": short, "long_factor": long,
            "original_max_position_embeddings": 14, "rope_theta": 100.0, "partial_rotary_factor": 0.5}})
    };
    for (name, changes, field) in [
        ("gemma2", json!({"attn_logit_softcapping": 0.0}), "attn_logit_softcapping"),
        ("gemma2", json!({"final_logit_softcapping": null}), "final_logit_softcapping"),
        ("gemma2", json!({"use_bidirectional_attention": true}), "use_bidirectional_attention"),
        ("gemma2", json!({"query_pre_attn_scalar": null}), "query_pre_attn_scalar"),
        ("gpt_neox", json!({"rope_parameters": null, "rotary_pct": 0.1}), "cannot turn 0 of 8 dimensions"),
        ("gpt_neox", json!({"num_attention_heads": 5}), "no multiple of 5 heads"),
        ("phi", json!({"num_key_value_heads": 3}), "cannot share 3"),
        ("phi3_long", factors(2), "short_factor"),
        (
            "phi3_long",
            json!({"rope_parameters": {"rope_type": "longrope"}, "original_max_position_embeddings": null}),
            "original_max_position_embeddings",
        ),
        (
            "llama",
            json!({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
            "partial_rotary_factor",
        ),
        ("olmo2", json!({"num_key_value_heads": 0}), "cannot share 0"),
        ("starcoder2", json!({"norm_epsilon": null}), "norm_epsilon"),
        ("falcon_groups", json!({"num_kv_heads": 3}), "cannot share 3"),
        ("falcon", json!({"activation": "mish"}), "mish"),
        ("mixtral", json!({"num_experts_per_tok": 5}), "cannot pass 5 of 4 experts"),
        ("mixtral", json!({"num_experts_per_tok": 0}), "cannot pass 0 of 4 experts"),
        ("mixtral", json!({"num_local_experts": 5}), "experts.4.w1.weight"),
        ("mixtral", json!({"num_local_experts": 3}), "gate.weight"),
        ("qwen3_moe", json!({"num_local_experts": 6}), "experts.gate_up_proj"),
        ("qwen3_moe", json!({"decoder_sparse_step": 0}), "decoder_sparse_step"),
        ("qwen2_moe", json!({"num_experts": null}), "num_experts"),
        ("opt", json!({"do_layer_norm_before": false}), "final_layer_norm."),
        ("opt", json!({"word_embed_proj_dim": 16}), "embed_tokens.weight"),
        (
            "bloom",
            json!({"apply_residual_connection_post_layernorm": true}),
            "apply_residual_connection_post_layernorm",
        ),
        ("bloom", json!({"n_head": null}), "n_head"),
        ("gpt_neo", json!({"attention_layers": ["global", "sparse"]}), "\"sparse\""),
        ("gpt_neo", json!({"attention_layers": ["global"]}), "layer 1"),
        ("gptj", json!({"rotary_dim": 14}), "cannot turn 14 of 12"),
        ("cohere", json!({"use_qk_norm": true}), "q_norm.weight"),
        ("stablelm", json!({"qk_layernorm": true}), "q_layernorm.norms.0.weight"),
        ("stablelm", json!({"use_parallel_residual": true}), "post_attention_layernorm."),
        ("granite", json!({"logits_scaling": 0.0}), "logits_scaling"),
        ("smollm3", json!({"no_rope_layers": [1, 1]}), "layer 2"),
        ("smollm3", json!({"no_rope_layers": null, "no_rope_layer_interval": 0}), "layer 0"),
    ] {
        let error = load_with(&folder(name), &changed(name, &changes), &Placement::cpu()).err();
        let error = error.unwrap_or_else(|| panic!("{name} {changes} is accepted"));
        assert!(error.message().contains(field), "{name} {changes}: {}", error.message());
    }
}
