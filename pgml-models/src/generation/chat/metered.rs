//! Compiled templates whose every step is metered.
//!
//! minijinja counts instructions, but one instruction may make 100 MB, and thirty that double a text make the rest.

use minijinja::machinery::{Instruction, Instructions};

// Names of functions that no template can call or replace, for none can spell them.
/// Weighs its argument and gives it back.
pub(super) const WEIGH: &str = " weigh";
/// As [`WEIGH`], for what is put into a namespace.
pub(super) const WEIGH_PART: &str = " weigh part";
/// `a ~ b`.
pub(super) const CONCAT: &str = " concat";
/// `a * b`.
pub(super) const MULTIPLY: &str = " multiply";

/// The same program with what makes text or lists replaced by functions of ours, or weighed after or before it.
pub(super) fn metered<'s>(plain: &Instructions<'s>) -> Instructions<'s> {
    let all = || (0..).map_while(|i| plain.get(i));
    // Where each instruction lands, for jumps.
    let mut starts: Vec<u32> = vec![0];
    for instruction in all() {
        starts.push(starts.last().copied().unwrap_or_default() + replacement(instruction).len() as u32);
    }
    let moved = |target: u32| starts.get(target as usize).copied().unwrap_or(u32::MAX);
    let mut out = Instructions::new(plain.name(), plain.source());
    for (instruction, old) in all().zip(0..) {
        let line = u16::try_from(plain.get_line(old).unwrap_or(0)).unwrap_or(u16::MAX);
        for new in replacement(instruction) {
            out.add_with_line(retarget(new, moved), line);
        }
    }
    out
}

fn replacement<'s>(instruction: &Instruction<'s>) -> Vec<Instruction<'s>> {
    use Instruction::{
        Add, ApplyFilter, BuildList, BuildMap, BuildTuple, CallFunction, CallMethod, CallObject, Emit, EmitRaw,
        EndCapture, Eq, Gt, Gte, In, LoadConst, Lt, Lte, MergeKwargs, Mul, Ne, SetAttr, Slice, StringConcat, Swap,
        UnpackLists,
    };
    let same = || instruction.clone();
    let weigh = || CallFunction(WEIGH, Some(1));
    match instruction {
        EmitRaw(text) => vec![LoadConst((*text).into()), Emit],
        StringConcat => vec![CallFunction(CONCAT, Some(2)), weigh()],
        Mul => vec![CallFunction(MULTIPLY, Some(2))],
        Add | Slice | EndCapture | BuildList(_) | BuildTuple(_) | BuildMap(_) => vec![same(), weigh()],
        // Lists of arguments are spread on the stack, which no function of ours could weigh.
        UnpackLists(_) | MergeKwargs(_) => vec![CallFunction(" no lists of arguments", Some(0))],
        ApplyFilter(..) | CallFunction(..) | CallMethod(..) | CallObject(_) => vec![same(), weigh()],
        Eq | Ne | Gt | Gte | Lt | Lte | In => vec![weigh(), same()],
        SetAttr(_) => vec![Swap, CallFunction(WEIGH_PART, Some(1)), Swap, same()],
        _ => vec![same()],
    }
}

fn retarget<'s>(instruction: Instruction<'s>, moved: impl Fn(u32) -> u32) -> Instruction<'s> {
    use Instruction::{BuildMacro, Iterate, Jump, JumpIfFalse, JumpIfFalseOrPop, JumpIfTrueOrPop};
    match instruction {
        Iterate(target) => Iterate(moved(target)),
        Jump(target) => Jump(moved(target)),
        JumpIfFalse(target) => JumpIfFalse(moved(target)),
        JumpIfFalseOrPop(target) => JumpIfFalseOrPop(moved(target)),
        JumpIfTrueOrPop(target) => JumpIfTrueOrPop(moved(target)),
        BuildMacro(name, target, flags) => BuildMacro(name, moved(target), flags),
        other => other,
    }
}
