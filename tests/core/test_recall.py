"""What was said and meant after the same words, against plain search."""

from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.recall import LONGEST, Recall
from s3d_core.tree import Tree

texts = st.lists(st.integers(0, 3), min_size=1, max_size=40)


def last_follower(text, gram):
    """The token after the last earlier place of `gram` in `text`, by plain search."""
    places = [i for i in range(len(gram), len(text)) if tuple(text[i - len(gram) : i]) == gram]
    return text[places[-1]] if places else None


@settings(max_examples=200, deadline=None)
@given(texts, texts, st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_the_longest_equal_words_say_what_follows(begin, more, context):
    recall, text = Recall(), list(begin)
    recall.follow(text)
    text += more
    recall.follow(text)
    expected = []
    for n in range(min(LONGEST, len(context)), 0, -1):
        if (token := last_follower(text, tuple(context[-n:]))) is not None:
            expected = [(n - 1, token)]
            break
    assert recall.after(tuple(context)) == expected


def test_another_text_forgets():
    recall = Recall()
    recall.follow([1, 2, 1])
    recall.learn((1, 2), Tree(), [7])
    assert recall.after((1,)) == [(0, 2)]
    assert recall.after((2,)) == [(0, 1), (3, 7)]
    recall.follow([5, 6])
    assert recall.after((1,)) == []
    assert recall.after((2,)) == []


def test_verdicts_are_kept_by_context_and_the_first_counts_most():
    recall = Recall()
    recall.follow([9])
    # Behind (1, 2, 3): 4, behind it 3; and 8 beside the 4, behind it 3 as well.
    tree = Tree()
    tree.add(3, tree.add(4, 0))
    tree.add(3, tree.add(8, 0))
    recall.learn((1, 2, 3), tree, [5, 6, 7, 10, 11])
    assert recall.after((1, 2, 3)) == [(5, 5)]
    assert recall.after((0, 2, 3)) == [(4, 5)]
    assert recall.after((0, 0, 3)) == [(3, 5)]
    assert recall.after((0, 3, 4)) == [(4, 6)]
    assert recall.after((3, 4, 3)) == [(5, 7)]
    assert recall.after((0, 8, 3)) == [(4, 11)]
    recall.learn((3,), Tree(), [1])
    assert recall.after((3,)) == [(3, 1)]
