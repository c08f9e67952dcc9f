"""Giving back what the text of a compiled function took."""


def dissolve(module) -> None:
    """Take an `llvmlite.ir` module apart, which is of no use afterwards.

    Its parts know one another, so that Python would find out late, in one of its rare looks at everything, that nobody
    else does; and the next module would be built beside it meanwhile. All of a model's took 10 MB.
    """
    for function in module.functions:
        for block in function.blocks:
            for instruction in block.instructions:
                instruction.operands = ()
                if hasattr(instruction, "incomings"):  # of a loop's values, which are made of one another
                    instruction.incomings = []
            block.instructions.clear()
            block.terminator = None
        function.blocks.clear()
    module.globals.clear()
